//go:build race

package protocol_test

// raced is whether the race detector slows the explorer down, which has nothing for it to
// find: then the models with the most states are left to a run without it.
const raced = true
