package backingtest

import (
	"slices"

	"pgregory.net/rapid"
)

// An act is one step of a script: a request by one of a few claimants for one of a few
// keys.
type act struct {
	name        string
	key         int
	who, next   int
	short       bool // the script lets the lease run out
	yield, late bool
}

const (
	twoKeys, claimants = 2, 3
	wait               = "wait"
	passOver           = "Pass again" // repeats the last Pass that was not refused
)

// scripts are sequences of acts drawn with these weights. An act without a name does
// nothing, so that a long script can shrink to a short one.
var (
	scripts = rapid.OneOf(scriptOf(30, "", ""), scriptOf(30, "", wait, wait))
	hurried = scriptOf(10, "")
)

func scriptOf(length int, others ...string) *rapid.Generator[[]act] {
	return rapid.Map(rapid.SliceOfN(acts(others...), length, length), func(all []act) []act {
		return slices.DeleteFunc(all, func(a act) bool { return a.name == "" })
	})
}

func acts(others ...string) *rapid.Generator[act] {
	names := append(others, "GetHolder", "IsLocked", "TryAcquire", "TryAcquire", "Release", "Release", "ReleaseClaim", "Refresh", "Refresh", "Refresh",
		"RefreshAll", "Enqueue", "Enqueue", "Enqueue", "Enqueue", "Pass", "Pass", passOver)
	claimant := rapid.SampledFrom([]int{1, 1, 1, 2, 2, 0})
	return rapid.Custom(func(t *rapid.T) act {
		return act{
			name:  rapid.SampledFrom(names).Draw(t, "operation"),
			key:   rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "key"),
			who:   claimant.Draw(t, "claimant"),
			next:  claimant.Draw(t, "next"),
			short: rapid.Bool().Draw(t, "short"),
			yield: rapid.Bool().Draw(t, "yield"),
			late:  rapid.IntRange(0, 7).Draw(t, "late") == 7,
		}
	})
}
