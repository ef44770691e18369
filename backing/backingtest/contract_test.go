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

// What no answer of a store shows, and what a claimant must do.
var unseen = []string{
	`The words "must" and "may" in this package are the contract: backingtest quotes them.`,
	"Expiry must be judged by the store's own clock, never by the caller's wall clock.",
	"Clients whose clocks are hours off must not matter.",
	"ReleaseMemory is how long a store must remember a release at least: a little more than the 5 s that the mutex spends on trying to release a lock.",
	"A wake-up may be late, come twice, or be about a key that another holder has by now, and no claimant must take it for a grant: only the outcome of an operation is one.",
	"A claimant must ask again when it is woken, and at the latest when AskAgain has passed: the store learns that it lives, and it learns what a lost wake-up would have told it.",
	"One that leaves must call Release.",
	"It must return at once: the store calls it on a goroutine that others wait for.",
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
