// Package timing measures when work under a lock ends, against the moment from which
// another client could have the lock: at least 200 random faults hit holders with
// short leases, each with a rival on a network that no fault touches.
//
// What is measured is the time from that moment to
//
//   - the end of the work, if WithLock reported success, and
//   - the last look at its context at which that had not ended, if the lock was lost:
//     the work looks every 2 ms.
//
// It must never be positive. The moment is that of the server, which writes it down with
// each lease in its append-only file and gives it, in a token, with each grant; all clocks
// are that of one machine.
//
// # What that says, and what not
//
// Both are exact on any machine, for the lock compares the clock when the work has
// returned, and when the work looks at its context. What rests on timers is when
// work is woken that sleeps until its context ends, and when a context ends that
// the work has derived from its own: a lock gives up 1 % of its lease before the
// server does, which of 300 ms are 3 ms, and a machine with more to do than it has
// processors lets a process stand still for longer. The time from the moment to when
// the lock said that it had expired is printed beside it, and not judged.
//
// Each holder finds its lock free, and is answered at once. Leases that are handed over, or
// granted late, are another matter: see the tests of hazards 8, 23 and 29, and of package
// mutex.
//
// No measure helps work that is stopped between a look at its context and what it
// does next: processes that are stopped write to a register that refuses old tokens,
// and none of their writes is accepted after one of their successor.
//
// The package has no code of its own. Its tests need a redis-server; see redistest.
package timing
