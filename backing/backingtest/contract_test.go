package backingtest

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unseen is what no answer of a store can show, and what a claimant must do.
var unseen = []string{
	`The sentences with "must" and "may" in this package are the contract.`,
	"Expiry must be judged by the store's own clock, never by the caller's wall clock.",
	"Clients whose clocks are hours off must make no difference.",
	"ReleaseMemory is the minimum time for which a store must remember a release: a little more than the 5 s for which the mutex tries to release a lock.",
	"It may be late, come twice, or concern a key that another holder has by now: a claimant must rely on nothing but the outcome of an operation.",
	"A claimant must ask again when it is woken, and at the latest when AskAgain has passed: that shows the store that it is alive, and makes up for a lost wake-up.",
	"A claimant that stops waiting must call Release.",
	"It must return at once, because other waiters need the goroutine that calls it.",
}

func TestQuotesStandInTheContract(t *testing.T) {
	t.Parallel()
	prose := proseOfTheContract(t)
	for _, quoted := range contract {
		for _, sentence := range sentences(quoted) {
			assert.True(t, slices.Contains(prose, sentence), "not in package backing: %q", sentence)
		}
	}
}

func TestEveryPromiseOfTheContractIsQuoted(t *testing.T) {
	t.Parallel()
	quotes := slices.Clone(unseen)
	for _, quoted := range contract {
		quotes = append(quotes, sentences(quoted)...)
	}
	for _, sentence := range proseOfTheContract(t) {
		if strings.Contains(sentence, "must") {
			assert.True(t, slices.Contains(quotes, sentence), "no case is about %q", sentence)
		}
	}
}

// proseOfTheContract returns the sentences of the comments in package backing.
func proseOfTheContract(t *testing.T) (prose []string) {
	files, err := filepath.Glob("../*.go")
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, comment := range file.Comments {
			prose = append(prose, sentences(comment.Text())...)
		}
	}
	return prose
}

var sentenceEnd = regexp.MustCompile(`\.\s+|:\n\n`)

// sentences folds white space and drops the dashes of lists.
func sentences(text string) (all []string) {
	for _, s := range sentenceEnd.Split(strings.TrimSpace(text)+" ", -1) {
		if s = strings.TrimPrefix(strings.Join(strings.Fields(s), " "), "- "); s != "" {
			all = append(all, strings.TrimSuffix(s, ".")+".")
		}
	}
	return all
}
