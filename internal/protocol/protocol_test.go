package protocol_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Where a claimant lives that may come twice, beside one other.
var (
	apart    = model{process: [claimants]int{0, 1, 1}, absent: 1, returns: true, refreshes: true, mishaps: 2}
	lucky    = model{process: [claimants]int{0, 1, 1}, absent: 1, returns: true, refreshes: true, mishaps: 1}
	together = model{process: [claimants]int{0, 0, 0}, absent: 1, returns: true, refreshes: true, mishaps: 2}
)

func TestNobodyEverWorksBesideAnotherNorWaitsForEver(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]model{
		"two of one process and one of another": {process: [claimants]int{0, 0, 1}, mishaps: 1},
		"three processes, and nothing is lost":  {process: [claimants]int{0, 1, 2}, refreshes: true},
		"and one does not wait":                 {process: [claimants]int{0, 0, 1}, tries: true, foreign: true, mishaps: 1},
		"and one comes twice":                   apart,
		"and one comes twice to its process":    together.with(func(m *model) { m.foreign = true }),
		"and one comes twice under one id":      apart.with(func(m *model) { m.reuses = true }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, found := m.explore()
			t.Logf("%d states", len(x.from))
			require.Nil(t, found, "%v", found)
			for c := range claimants - m.absent {
				assert.Contains(t, x.holds[c], true, "claimant %d never has the lock: the model shows nothing", c)
			}
		})
	}
}

// What the exploration would not find in a protocol that is wrong, it has not
// shown of ours.
func TestEveryFlawIsFound(t *testing.T) {
	t.Parallel()
	const (
		second   = "the lock was given to a second holder"
		usurped  = "one works who does not have the lock"
		ghost    = "one who has left has the lock"
		starving = "waits for ever"
	)
	for name, c := range map[string]struct {
		flaw
		model
		wrong string
	}{
		"a message is trusted after its deadline":        {trustsLateMessage, apart, usurped},
		"the deadline is counted from the receipt":       {countsFromReceipt, apart, usurped},
		"a refresh is trusted after the deadline":        {trustsLateRefresh, apart, usurped},
		"a message to an earlier claim of the id counts": {trustsMessageToEarlierSelf, apart.with(func(m *model) { m.reuses = true }), usurped},
		"release does not compare the holder":            {releasesUnseen, apart, "the lock was freed by one who did not have it"},
		"pass does not compare the holder":               {passesUnseen, together.with(func(m *model) { m.foreign = true }), second},
		"enqueue does not look whether the lock is free": {grantsUnseen, apart, second},
		"the last token is forgotten at a release":       {countsTokensAnew, apart, "the token of a grant was not higher than all before"},
		"the queue stops at the dead":                    {stopsAtTheDead, lucky, starving},
		"the last in the queue is served first":          {servesLastFirst, model{process: [claimants]int{0, 1, 2}}, "another than the first in the queue was given the lock"},
		"one who asks again loses the place":             {losesThePlace, model{process: [claimants]int{0, 1, 2}}, "one who waits was overtaken in the queue"},
		"one who leaves does not tell the store":         {leavesWithoutAWord, apart, ghost},
		"one who asked twice believes the last refusal":  {believesTheLastRefusal, model{process: [claimants]int{0, 0, 1}, tries: true, mishaps: 1}, ghost},
		"a lock is let go for one who has it":            {lettingGoForOneWhoHolds, model{process: [claimants]int{0, 0, 1}, mishaps: 1}, usurped},
		"a process takes old news for its own lock":      {takesOldNewsForItsOwn, lucky, starving},
		"one who waits for news does not ask again":      {neverAsksAgain, lucky, starving},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := c.with(func(m *model) { m.flaw = c.flaw })
			x, found := m.explore()
			require.NotNil(t, found, "not found in %d states", len(x.from))
			assert.Contains(t, found.wrong, c.wrong, "%v", found)
			t.Logf("after %d states: %v", len(x.from), found)
		})
	}
}

func (m *model) with(change func(*model)) model {
	changed := *m
	change(&changed)
	return changed
}
