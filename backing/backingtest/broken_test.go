package backingtest

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// A brokenBacking makes a mistake that a lock library has made or could make. A
// run of the kit must quote what it breaks, and nothing else.
type brokenBacking struct {
	name   string
	breaks []rule
	make   func(*memory.Backing) backing.Backing
}

var brokenBackings = slices.Concat(brokenAcquires, brokenReleases, brokenAnswers,
	brokenQueues, brokenWakeUps, brokenPasses, brokenBatches, brokenReleasers)

type (
	grantOption  = option.Option[backing.Grant]
	holderOption = option.Option[string]
)

func TestABrokenBackingFailsWithTheSentenceThatItBreaks(t *testing.T) {
	t.Parallel()
	for _, b := range brokenBackings {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			var want []string
			for _, r := range b.breaks {
				want = append(want, r.String())
			}
			assert.ElementsMatch(t, want, sentencesBroken(t, b.make))
		})
	}
}

func TestEverySentenceIsBrokenByOneBrokenBacking(t *testing.T) {
	t.Parallel()
	broken := map[rule]bool{}
	for _, b := range brokenBackings {
		for _, r := range b.breaks {
			broken[r] = true
		}
	}
	for _, b := range brokenByFaults {
		for _, r := range b.breaks {
			broken[r] = true
		}
	}
	for i, sentence := range contract {
		assert.True(t, broken[rule(i)], "no backing of the tests breaks %q", sentence)
	}
}

// sentencesBroken runs every case and returns the sentences that failures quote.
func sentencesBroken(t *testing.T, broken func(*memory.Backing) backing.Backing) []string {
	k, err := newKit(nil)
	require.NoError(t, err)
	k.keys = 2_000 // for the sake of the race detector
	return quotesOf(t, k.exercise, func(r reporter) *probe { return newProbe(r, broken(memory.New()), k) })
}

// quotesOf runs cases, each with a probe of its own, and returns what failures quote.
func quotesOf(t *testing.T, exercise func(runner), open func(reporter) *probe) (quoted []string) {
	seen := map[string]bool{}
	exercise(func(name string, body func(*probe)) {
		synctest.Test(t, func(t *testing.T) {
			message := failure(func(r reporter) { body(open(r)) })
			if message == "" {
				return
			}
			t.Logf("%s: %s", name, message)
			sentence, rest, ok := strings.Cut(strings.TrimPrefix(message, `contract: "`), "\"\n")
			require.True(t, ok && strings.Contains(rest, "after these calls:"), message)
			if !seen[sentence] {
				seen[sentence] = true
				quoted = append(quoted, sentence)
			}
		})
	})
	return quoted
}

// failure returns what body reports, "" if nothing.
func failure(body func(reporter)) string {
	r := &recorder{then: func() {}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		body(r)
	}()
	<-ended
	return r.message
}
