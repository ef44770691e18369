package turn_test

import (
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/turn"
)

// The diagram in docs/design.md has every step that waiters take at random, and no other.
func TestTheStateDiagramShowsEveryStepOfAWaiter(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/design.md")
	require.NoError(t, err)
	_, diagram, _ := strings.Cut(string(page), "```mermaid\nstateDiagram-v2\n")
	diagram, _, _ = strings.Cut(diagram, "```")
	drawn := map[string]bool{}
	for _, step := range regexp.MustCompile(`(\S+) --> (\S+?):`).FindAllStringSubmatch(diagram, -1) {
		drawn[step[1]+" --> "+step[2]] = true
	}
	taken := map[string]bool{}
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		visit(t, random, taken)
	}
	sorted := func(steps map[string]bool) []string { return slices.Sorted(maps.Keys(steps)) }
	assert.Equal(t, sorted(taken), sorted(drawn), "the diagram in docs/design.md")
}

// visit makes waiters come and go at random, with random answers, and records their steps.
func visit(t *testing.T, random *rand.Rand, taken map[string]bool) {
	t.Helper()
	s := &turn.State{Limit: 1}
	var all []*turn.Waiter
	for _, name := range []string{"a", "b", "c"} {
		all = append(all, &turn.Waiter{Holder: holder(name), PollEvery: time.Second, Phase: turn.Out})
	}
	now, passing := epoch, (*turn.Event)(nil)
	outcomes := []backing.Outcome{
		backing.Granted{}, backing.Queued{AskAgain: time.Second}, backing.MustPoll{}, backing.Refused{}, nil,
	}
	for range 200 {
		now = now.Add(time.Duration(random.IntN(500)) * time.Millisecond)
		w := all[random.IntN(len(all))]
		e := turn.Event{Waiter: w, Outcome: outcomes[random.IntN(len(outcomes))]}
		switch {
		case passing != nil && random.IntN(3) == 0:
			e = turn.Event{Kind: turn.Passed, Waiter: passing.Waiter, Holder: passing.Holder, Outcome: e.Outcome}
			passing = nil
		case random.IntN(8) == 0 && w.Phase != turn.Out:
			e.Kind = turn.Left
		case w.Phase == turn.Out && passing == nil && slices.ContainsFunc(s.Holders, func(h turn.Holder) bool { return h.ID == w.ID }):
			e.Kind, e.Holder = []turn.Kind{turn.Releasing, turn.Freed}[random.IntN(2)], w.Holder
		case w.Phase == turn.Out && (passing == nil || passing.Waiter != w):
			e.Kind = []turn.Kind{turn.Join, turn.Try}[random.IntN(2)]
		case w.Phase == turn.Asking && (e.Outcome == nil || e.Outcome == backing.Outcome(backing.Refused{})):
			e.Kind = turn.Failed
		case w.Phase == turn.Asking:
			e.Kind = turn.Answered
		case w.Phase == turn.Granted:
			e.Kind = []turn.Kind{turn.Accepted, turn.Declined}[random.IntN(2)]
		case w.Phase != turn.Out:
			e.Kind = []turn.Kind{turn.Woken, turn.Due, turn.PolicyDue}[random.IntN(3)]
		default:
			continue
		}
		e.Holder.Permits = 1
		before := phasesOf(all)
		for _, a := range s.Step(now, e) {
			if a.Do == turn.Pass {
				passing = &turn.Event{Waiter: a.Waiter, Holder: a.Holder}
			}
		}
		require.Empty(t, s.Invariant())
		for i, after := range phasesOf(all) {
			if before[i] != after {
				taken[before[i]+" --> "+after] = true
			}
		}
	}
}

func phasesOf(all []*turn.Waiter) (names []string) {
	for _, w := range all {
		name := w.Phase.String()
		if w.Phase == turn.Out {
			name = "[*]"
		}
		names = append(names, name)
	}
	return names
}
