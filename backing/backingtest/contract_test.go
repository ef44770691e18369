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

// What no answer of a store shows, and what the claimant must do, or a decorator.
var unseen = []string{
	`The words "must" and "may" in this package are the contract: backingtest quotes them.`,
	"Expiry must be judged by the store's own clock, never by the caller's wall clock.",
	"Clients whose clocks are hours off must not matter.",
	"A claimant must ask again whenever AskAgain has passed: by that the store sees that it lives, and it finds out what it was not told.",
	"One that leaves must call Release.",
	"It may be called for a claimant that has left, and must return at once: the backing calls it on a goroutine that others wait for.",
	"It must return at once.",
	"0 means that it is not in the queue and is told nothing: it must poll.",
	"It must then leave keys and holders as they are, for an ability that is found beneath it is used without it.",
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
