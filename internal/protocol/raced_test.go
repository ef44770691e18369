//go:build race

package protocol_test

// raced reports whether the race detector is on. It has nothing to find in the explorer and
// slows it down, so the models with the most states are left to a run without it.
const raced = true
