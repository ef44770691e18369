// Package miniredis tests locks on miniredis and redismock, test doubles of Redis that other
// programs use in their unit tests. Nothing else depends on them, so the package is a
// module of its own. It has only tests. docs/servers.md lists the results.
package miniredis
