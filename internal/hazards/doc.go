// Package hazards holds a test for each way in which waiting for a lock, handing
// it over and renewing it is known to go wrong. The tests are named by number, so
// that `go test ./... -run Hazard24` shows what happens when a holder crashes:
//
//	18  a lock is released while its refresh is in flight
//	19  100,000 locks are acquired and released at once
//	20  a lock is released twice
//	21  a lock is refreshed by one who does not have it
//	22  a lock is released after a waiter's failed try and before its subscription
//	23  the message that a waiter has the lock is lost
//	24  the process of a holder is killed
//	25  a waiter's policy ends while it waits to be told
//	26  10,000 waiters of one process want one lock
//	27  a waiter is cancelled just as it is granted the lock
//	28  subscribing fails for ever
//	29  the waiter at the head of the queue dies
//
// The faults are real: a redis-server that is frozen, connections that are cut,
// processes that are killed and stopped; see redistest. Where a hazard exists
// without a server, and no test in virtual time of another package has it, there
// is one here that is named InMemory.
//
// The package has no code of its own.
package hazards
