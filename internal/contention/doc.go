// Package contention holds the test of what a lock is for: processes that share
// a counter in Redis, which they read and write back under the lock, and which
// are killed, or cut off from the lock, while they do so, or whose lock moves to
// another server in good order. The environment variable EFFECTLOCK_FAILOVERS says how
// often, 2 times if unset, for each kind of failover.
//
// It has no code of its own. Its tests need a redis-server; see redistest.
package contention
