// Package stress runs the mutex on a memory backing through thousands of random worlds
// in virtual time: several processes whose requests fail before or after they are
// applied, are slow, or land late, whose wake-ups come late, twice, for no reason or
// never, and whose waiters leave. Only one holder is inside at a time, with a higher
// token than all before it, every waiter that stays gets in, and nothing is left behind.
package stress
