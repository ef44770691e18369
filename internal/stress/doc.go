// Package stress runs the mutex on a memory backing through thousands of random worlds,
// in virtual time. Several processes compete. Their requests fail before or after they are
// applied, are slow, or are applied late; their wake-ups come late, twice, for no reason or
// never; and their waiters leave. The tests check that only one holder works at a time, with
// a higher token than all before it, that every waiter that stays gets the lock, and that
// nothing is left behind.
package stress
