// Package miniredis tests locks on miniredis and redismock, the test doubles of Redis that
// unit tests of other programs use. Nothing else depends on them, so the package is a
// module of its own. It has only tests. docs/servers.md lists the results.
package miniredis
