// Package stress runs the mutex on a memory backing through thousands of random
// worlds in virtual time: several processes whose requests fail before or after
// they are applied, are slow, or land late, whose messages come late or never, and
// whose waiters leave. One is inside at a time, whoever stays gets in, and nothing
// is left behind.
package stress
