package backingtest

import (
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What no answer of a store shows to a client that is connected and does not restart it.
var unseen = []string{
	`The words "must" and "may" in this package are the contract: backingtest quotes them.`,
	"Expiry must be judged by the store's own clock, never by the caller's wall clock.",
	"Clients whose clocks are hours off must not matter.",
	"An operation must return soon after its context ends.",
}

func TestQuotesStandInTheContract(t *testing.T) {
	t.Parallel()
	prose := proseOfTheContract(t)
	for _, quoted := range contract {
		for _, sentence := range sentences(quoted) {
			assert.True(t, slices.Contains(prose, sentence), "not in ../backing.go: %q", sentence)
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
	file, err := parser.ParseFile(token.NewFileSet(), "../backing.go", nil, parser.ParseComments)
	require.NoError(t, err)
	for _, comment := range file.Comments {
		prose = append(prose, sentences(comment.Text())...)
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
