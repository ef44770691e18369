// Package miniredis tries locks on test doubles of Redis, as unit tests of other programs
// use them: on miniredis, and on redismock. They are no dependencies of anything else, so
// the package is a module of its own. It has no code. docs/servers.md has what comes of it.
package miniredis
