package protocol_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Models of a claimant that may return, and one other.
var (
	apart    = model{process: [claimants]int{0, 1, 1}, absent: 1, returns: true, refreshes: true, mishaps: 2}
	lucky    = model{process: [claimants]int{0, 1, 1}, absent: 1, returns: true, refreshes: true, mishaps: 1}
	together = model{process: [claimants]int{0, 0, 0}, absent: 1, returns: true, refreshes: true, mishaps: 2}
)

func TestNobodyEverWorksBesideAnotherNorWaitsForEver(t *testing.T) {
	t.Parallel()
	large := []string{"two of one process and one of another", "three processes, and a failover", "and nobody is subscribed where it counts", "and one returns", "and one returns under its id"}
	for name, m := range map[string]model{
		"two of one process and one of another":    {process: [claimants]int{0, 0, 1}, mishaps: 1},
		"three processes, and nothing is lost":     {process: [claimants]int{0, 1, 2}, refreshes: true},
		"three processes, and a failover":          {process: [claimants]int{0, 1, 2}, returns: true, orderly: true, mishaps: 1},
		"and nobody is subscribed where it counts": {process: [claimants]int{0, 1, 2}, scattered: true},
		"and one does not wait":                    {process: [claimants]int{0, 0, 1}, tries: true, foreign: true, mishaps: 1},
		"and one returns":                          apart,
		"and one returns to its process":           with(together, func(m *model) { m.foreign = true }),
		"and one returns under its id":             with(apart, func(m *model) { m.reuses = true }),
		"a store without a queue":                  {process: [claimants]int{0, 0, 1}, tries: true, queueless: true, mishaps: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if raced && slices.Contains(large, name) {
				t.Skip("too many states for the race detector")
			}
			x, found := m.explore()
			t.Logf("%d states", len(x.from))
			require.Nil(t, found, "%v", found)
			for c := range claimants - m.absent {
				assert.Contains(t, x.holds[c], true, "claimant %d never has the lock, so the model shows nothing", c)
			}
		})
	}
}

// The exploration proves of our protocol only what it would find wrong in another.
func TestEveryFlawIsFound(t *testing.T) {
	t.Parallel()
	const (
		second   = "the lock was given to a second holder"
		usurped  = "a claimant works without the lock"
		ghost    = "a claimant that has left has the lock"
		starving = "waits forever"
		overtook = "a waiter was overtaken in the queue"
		two      = "two claimants work at once"
	)
	three := model{process: [claimants]int{0, 1, 2}}
	afterAFailover := with(three, func(m *model) { m.orderly, m.mishaps = true, 1 })
	reusing := with(apart, func(m *model) { m.reuses = true })
	for name, c := range map[string]struct {
		flaw
		model
		wrong string
	}{
		"a message is taken for a grant, after a failover":       {grantsByMessage, lookingFor(afterAFailover, two), two},
		"a message is taken for a grant, by a scattered client":  {grantsByMessage, lookingFor(with(three, func(m *model) { m.scattered = true }), two), two},
		"a lease is counted from a message":                      {countsFromMessage, lookingFor(afterAFailover, two), two},
		"a lease is counted from the receipt of an answer":       {countsFromReceipt, apart, usurped},
		"a refresh is trusted after the deadline":                {trustsLateRefresh, apart, usurped},
		"release does not compare the holder":                    {releasesUnseen, apart, "the lock was freed by a claimant that did not have it"},
		"pass does not compare the holder":                       {passesUnseen, with(together, func(m *model) { m.foreign = true }), second},
		"enqueue does not check whether the lock is free":        {grantsUnseen, apart, second},
		"the last token is forgotten at a release":               {countsTokensAfresh, apart, "the token of a grant was not higher than all earlier ones"},
		"a reserved lock is granted under the last token":        {keepsTheToken, apart, "the token of a grant was not higher than all earlier ones"},
		"the queue stops at the dead":                            {stopsAtTheDead, lucky, starving},
		"the last in the queue is served first":                  {servesLastFirst, three, "a waiter other than the first in the queue was given the lock"},
		"a waiter that asks again loses its place":               {losesThePlace, three, overtook},
		"a waiter that was passed over loses its place":          {losesThePassedOver, with(afterAFailover, func(m *model) { m.returns = true }), overtook},
		"a reservation is never given up":                        {keepsReservations, lucky, starving},
		"a waiter leaves without a release":                      {leavesSilently, apart, ghost},
		"a holder whose pass is refused does not release":        {leavesAfterARefusal, model{process: [claimants]int{0, 0, 1}, mishaps: 1}, ghost},
		"a pass is not remembered as a release":                  {passesUnremembered, model{process: [claimants]int{0, 0, 1}, mishaps: 1}, "a claimant that has left is in the queue"},
		"a waiter that asked twice believes the last refusal":    {believesTheLastRefusal, model{process: [claimants]int{0, 0, 1}, tries: true, mishaps: 1}, ghost},
		"a late acquire of a released claim is granted":          {grantsReleased, apart, ghost},
		"a late pass to a released claim is granted":             {passesToReleased, with(together, func(m *model) { m.foreign = true }), ghost},
		"a release under a configured id is that of every claim": {forgetsAttempts, reusing, "a waiter was refused as if it had released"},
		"a waiter in the queue does not ask again":               {neverAsksAgain, lucky, starving},
		"a handover to a departed waiter is forgotten":           {forgetsAHandover, model{process: [claimants]int{0, 0, 1}, mishaps: 1}, ghost},
		"a process keeps a holder that has released":             {keepsAHolder, model{process: [claimants]int{0, 0, 1}, absent: 1}, starving},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if raced && c.wrong == starving {
				t.Skip("too many states for the race detector")
			}
			m := with(c.model, func(m *model) { m.flaw = c.flaw })
			x, found := m.explore()
			require.NotNil(t, found, "not found in %d states", len(x.from))
			assert.Contains(t, found.wrong, c.wrong, "%v", found)
			t.Logf("after %d states: %v", len(x.from), found)
		})
	}
}

func with(m model, change func(*model)) model {
	change(&m)
	return m
}

// lookingFor returns a model that reports nothing else.
func lookingFor(m model, wrong string) model {
	m.only = wrong
	return m
}
