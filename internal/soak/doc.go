// Package soak has eight processes share a thousand locks for a minute, or for as
// long as the environment variable EFFECTLOCK_SOAK says, while something breaks
// every second: processes are killed and stopped, networks cut, reset, delayed and
// made to lose what they carry, the server is frozen and restarted, its scripts
// and connections are dropped, and locks are deleted under their holders. Each
// process writes a journal that outlives it. In the end the journals must show
//
//   - no two sections of one key at a time, but for the 200 ms by which a timer may be
//     late when a lease has ended, and tokens that rise
//   - no increment lost of the counters that the locks guard
//   - no key that stays free while somebody waits for it
//
// and the processes and the server must be left without a key, a goroutine, a
// connection, or memory that grows.
//
// EFFECTLOCK_SOAK_SEED repeats the faults of a run, though not their timing.
//
// The package has no code of its own.
package soak
