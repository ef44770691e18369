package fpgo_test

import (
	"cmp"
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What an operator does. These are the words of docs/fp-go.md, where they follow "it".
const (
	dropsValue = "drops a value beside an error"

	carriesOn   = "starts the next effect although the lock is lost"
	causeOnly   = "reports the cause of a cancellation in place of `ctx.Err()`"
	dropsJoined = "drops the errors that are joined with a cancellation"
	handlesEnd  = "passes cancellations to your function, too"
	detaches    = "runs the effect in the context that your function returns, which may outlast the lock"
	anonymous   = "fails with a bare `context.DeadlineExceeded`, as the caller's own deadline does"

	parallel      = "runs the effects in parallel"
	crashes       = "ends the process if the effect on the other goroutine panics"
	outlives      = "leaves an effect running without the lock when the other one panics"
	losesGoexit   = "turns `runtime.Goexit` (a failed `require`) into a success"
	masksFailure  = "reports a failure as `context.Canceled`"
	hidesEnd      = "turns the caller's cancellation into a success"
	runsTwice     = "runs an effect twice"
	skipsRelease  = "skips the release after a panic"
	releasesEnded = "releases under the cancelled context"
	spins         = "tries again without a pause once the context has ended"
	memoizes      = "keeps the result of the first run"
)

const (
	safe    = "safe"
	differs = "differs" // works, but not as this module's operator does
	unsafe  = "unsafe"  // breaks a promise of the lock, or never ends
)

// verdict follows from what an operator does.
func verdict(traits []string) string {
	verdict := safe
	for _, trait := range traits {
		switch trait {
		case crashes, outlives, losesGoexit, masksFailure, hidesEnd, runsTwice, skipsRelease, releasesEnded, spins, memoizes:
			return unsafe
		case dropsValue: // as effect.Map does
		default:
			verdict = differs
		}
	}
	return verdict
}

// row is a row of the table in docs/fp-go.md.
type row struct {
	operators string
	traits    []string
	instead   string
}

var rows = []row{
	{"Map, MonadMap, Let, LetTo, LetL, LetToL, BindTo, BindToP, Flap, MonadFlap, SequenceT1, TraverseReader, ToReaderResult, FromReaderResult",
		[]string{dropsValue}, ""},
	{"ChainEitherK, MonadChainEitherK, ChainReaderK, MonadChainReaderK, ChainOptionK, FilterOrElse, BindReaderK, BindEitherK, BindResultK, ApReaderS, ApResultS, ApEitherS",
		[]string{dropsValue}, ""},

	{"Chain, MonadChain, Bind, BindL", []string{causeOnly, dropsValue}, "`effect.FlatMap`"},
	{"WithContext, WithContextK", []string{causeOnly}, "`effect.FlatMap`, which checks the context"},
	{"FromPredicate, SequenceReader", []string{causeOnly, dropsValue}, "`effect.FlatMap`, `effect.Map`"},
	{"TailRec", []string{causeOnly, dropsValue}, "a `for` loop in a function"},
	{"Flatten", []string{carriesOn, dropsValue}, "`effect.FlatMap`"},
	{"SequenceArray, TraverseArray, MonadTraverseArray, TraverseArrayWithIndex", []string{carriesOn, dropsValue}, "`effect.All`, `effect.ForEach`"},
	{"SequenceT2, SequenceT3, SequenceT4, ApplicativeMonoid", []string{carriesOn, dropsValue}, "`effect.FlatMap`, `effect.ZipPar`"},
	{"Local, ContraMap", []string{detaches, causeOnly}, "the same, with a context derived from the given one"},
	{"ProMap, Promap", []string{detaches, causeOnly, dropsValue}, "the same, with a context derived from the given one"},
	{"WithTimeout, WithDeadline", []string{anonymous, causeOnly}, "`effect.Timeout`, `effect.Within`"},
	{"MapLeft, MonadMapLeft, BiMap, MonadBiMap, OrLeft", []string{handlesEnd, dropsValue}, "`effect.MapError`"},
	{"Fold, GetOrElse", []string{handlesEnd}, "`effect.CatchAll`, or `effect.RunExit` and `effect.Match`"},
	{"OrElse", []string{handlesEnd, causeOnly, dropsJoined}, "`effect.CatchAll`, `effect.CatchTag`"},

	{"Alt, MonadAlt, AltMonoid", []string{hidesEnd, carriesOn, dropsJoined}, "`effect.OrElse`"},
	{"AlternativeMonoid", []string{runsTwice, hidesEnd, carriesOn, dropsJoined}, "`effect.OrElse`"},
	{"Ap, MonadAp", beside, "`effect.ZipPar`"},
	{"ApS, ApSL", beside, "`effect.ApS`"},
	{"Bracket, WithResource", []string{skipsRelease, releasesEnded, causeOnly, dropsValue}, "`effect.AcquireUseRelease`"},
	{"WithCloser", []string{skipsRelease, causeOnly, dropsValue}, "`effect.AcquireUseRelease` with `effect.Close`"},
	{"Retrying", []string{spins, handlesEnd, causeOnly, dropsJoined, dropsValue}, "`effect.Retry`"},
}

// beside is what Ap does, and all that is made of it.
var beside = []string{parallel, crashes, outlives, losesGoexit, masksFailure, causeOnly, dropsValue}

// pure functions make an effect of a value or of a function, change how a function takes its
// arguments, or run an effect.
const pure = "Of, Right, Left, Do, FromEither, FromResult, FromReader, RightReader, LeftReader, Ask, Asks, Read, " +
	"BindToReader, BindToEither, BindToResult, Curry0, Curry1, Curry2, Curry3, Uncurry1, Uncurry2, Uncurry3, From0, From1, From2, From3"

func names(list string) []string { return strings.Split(list, ", ") }

func code(list string) string { return "`" + strings.ReplaceAll(list, ", ", "`, `") + "`" }

func (r row) String() string {
	return "| " + code(r.operators) + " | " + verdict(r.traits) + " | " + strings.Join(r.traits, "; ") + " | " + cmp.Or(r.instead, "—") + " |"
}

func TestFpGoOperatorsUnderALockDoWhatTheTableSays(t *testing.T) {
	t.Parallel()
	for _, r := range rows {
		for _, operator := range names(r.operators) {
			t.Run(operator, func(t *testing.T) {
				t.Parallel()
				assert.ElementsMatch(t, r.traits, traits(t, operator))
			})
		}
	}
}

// What the table recommends is tried in the same way. That it runs effects in parallel is
// why it is chosen.
func TestTheReplacementsAreSafe(t *testing.T) {
	t.Parallel()
	for operator := range uses {
		if strings.HasPrefix(operator, "effect.") {
			t.Run(operator, func(t *testing.T) {
				t.Parallel()
				assert.Subset(t, []string{parallel, dropsValue}, traits(t, operator))
			})
		}
	}
}

// TestAPanicBesideTheCaller ends the process in which it runs: see trial.crash.
func TestAPanicBesideTheCaller(t *testing.T) {
	operator, ok := os.LookupEnv(crashing)
	if !ok {
		t.Skip("run by the test of the table, in a process that may end")
	}
	run(t.Context(), newTrial(t, operator).of(parts{second: func(context.Context) (int, error) { panic("boom") }}))
}

// An operator that a new version of fp-go adds must be tried as well.
func TestEveryFpGoOperatorIsInTheTable(t *testing.T) {
	t.Parallel()
	listed := names(pure)
	for _, r := range rows {
		listed = append(listed, names(r.operators)...)
	}
	assert.ElementsMatch(t, exportedByFpGo(t), listed)
}

func exportedByFpGo(t *testing.T) (functions []string) {
	t.Helper()
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/IBM/fp-go/v2/idiomatic/context/readerresult").Output()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "*.go"))
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.IsExported() {
				functions = append(functions, f.Name.Name)
			}
		}
	}
	return functions
}

func TestDocumentedFpGoOperatorsAreThoseOfTheTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/fp-go.md")
	require.NoError(t, err)
	version, err := exec.Command("go", "list", "-m", "-f", "fp-go {{.Version}}.", "github.com/IBM/fp-go/v2").Output()
	require.NoError(t, err)
	assert.Contains(t, string(text), strings.TrimSpace(string(version)))
	var want []string
	for _, r := range rows {
		want = append(want, r.String())
	}
	got := regexp.MustCompile("(?m)^\\| `.*$").FindAllString(string(text), -1)
	assert.Equal(t, strings.Join(want, "\n"), strings.Join(got, "\n"))
	assert.Contains(t, string(text), "\n"+code(pure)+".\n")
}
