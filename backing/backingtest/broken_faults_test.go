package backingtest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
)

// Backings whose mistakes show when something goes wrong.
type brokenByFault struct {
	name   string
	breaks []rule
	open   func() (backing.Backing, Faults)
}

var brokenByFaults = slices.Concat(brokenByLostAnswers, brokenByHushing, brokenByCuts, brokenByLosses)

func TestABackingBrokenByAFaultFailsWithTheSentenceThatItBreaks(t *testing.T) {
	t.Parallel()
	for _, b := range brokenByFaults {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			var want []string
			for _, r := range b.breaks {
				want = append(want, r.String())
			}
			k, err := newKit(nil)
			require.NoError(t, err)
			assert.ElementsMatch(t, want, quotesOf(t, k.exerciseFaults, func(r reporter) *probe {
				store, faults := b.open()
				return newProbe(r, store, k).with(faults)
			}))
		})
	}
}

// behind is a sound client of a store with a flaw.
func behind(flaw string) func() (backing.Backing, Faults) {
	return func() (backing.Backing, Faults) {
		w, faults := wired(func() full { return &flawed{flaw: flaw} })
		return w, faults
	}
}

// before is a client that misuses a sound one.
func before(mistake func(w *wire, f *Faults) backing.Backing) func() (backing.Backing, Faults) {
	return func() (backing.Backing, Faults) {
		w, faults := wired(sound)
		return mistake(w, &faults), faults
	}
}
