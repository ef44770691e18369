// Package hazards has a test for each known way in which a distributed lock goes wrong.
// The tests are named by number, so that `go test ./... -run Hazard24`
// shows what happens when a holder crashes:
//
//	01  the reply to an acquire is lost
//	02  the reply to a refresh or a release is lost
//	03  the caller leaves while its acquire is in flight
//	04  the store grants the lock to a caller that has left
//	05  the caller has left before the call
//	06  the caller leaves while it holds the lock
//	07  the work panics
//	08  the holder alone is cut off
//	09  a refresh is answered after the deadline
//	10  the store fails for less than what is left of the lease
//	11  the store loses the lock
//	12  another holder came and went while this one was away
//	13  a lock is released after another holder has acquired it
//	14  the holder's process is stopped
//	15  a clock is hours off
//	16  the user's own commands exhaust the connection pool
//	17  busy loops starve the keep-alive
//	18  a lock is released while its refresh is in flight
//	19  100,000 locks are acquired and released at once
//	20  a lock is released twice
//	21  a lock is refreshed by a claimant that does not have it
//	22  a lock is released after a waiter's failed try and before its subscription
//	23  the message that wakes a waiter is lost
//	24  the process of a holder is killed
//	25  a waiter's policy ends while it waits to be woken
//	26  10,000 waiters of one process want one lock
//	27  a waiter is cancelled just as it is granted the lock
//	28  subscribing fails forever
//	29  the waiter at the head of the queue dies
//	30  the server has forgotten its scripts
//	31  the server refuses
//	32  the key holds another type
//	33  a replica that does not know the lock takes over
//	35  the key is evicted
//	36  a slot of a Cluster moves
//	37  a TTL is out of range
//	38  a refresh interval is out of range
//	39  a key is empty
//	40  a holder's id begins with another's
//	41  a holder's id is used twice
//	42  the claimants of a lock have different TTLs
//	45  tokens must rise
//	46  the client of a Cluster is wrapped in a type of the user's
//	47  a shard of a Cluster has an orderly failover, and its old master lives on
//	48  a primary has an orderly failover, its address moves, and it lives on
//	49  a slot is half moved for longer than a lease
//	50  one endpoint stands in front of many slots
//	51  a server refuses INFO, or is too old
//	52  a user may touch nothing but the keys with one prefix
//	53  a hook reads the commands
//	54  a plain client is given a node of a Cluster
//	55  an operator releases a lock in its holder's name
//	56  100,000 locks are used once, and one lock 20,000 times
//	57  a password is changed, and the client gets the new one late or never
//	58  a load balancer has silently dropped the connections
//	61  the server refuses connections, and the caller has a deadline
//	62  the server does not answer, and the caller has a deadline
//
// TestLocksOnOtherPeoplesServers tries locks on each server that docs/servers.md marks as run
// or imitated.
//
// 34, 43 and 44 are about quorums and semaphores, which do not exist here. Each row is tested once,
// end to end. Variants of a store's rule are in backing/backingtest, and those of a mutex's rule in
// package mutex, in virtual time. Package torture runs many processes at a time. Tests of large
// numbers use only part of them, unless EFFECTLOCK_HAZARDS_FULL is set.
//
// The faults are real: a redis-server is frozen, connections are cut, processes are killed and
// stopped; see redistest. The faults have names in fault_test.go and refusals_test.go. Tests that
// break no server share one.
//
// The package has tests only.
package hazards
