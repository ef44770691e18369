package mistakes_test

import (
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A statement that calls one of these and does not use the result does nothing.
func TestTheLinterKnowsEveryFunctionThatOnlyBuildsAFunction(t *testing.T) {
	t.Parallel()
	listed := []string{}
	for _, line := range regexp.MustCompile(`(?m)^ +- (github\.com/effectlock/effectlock/[\w/.]+)$`).FindAllStringSubmatch(read(t, root(t), ".golangci.yml"), -1) {
		listed = append(listed, line[1])
	}
	want := builders(t)
	assert.Equal(t, want, listed, "the functions of unusedresult in .golangci.yml should be:\n- %s", strings.Join(want, "\n- "))
}

// builders returns the exported functions whose only result is a function: an effect, an
// operator, or what is still to be given a scope or a store. A function type with a name, as
// options have, is not meant: nobody takes an option for a call that does something.
func builders(t *testing.T) (names []string) {
	t.Helper()
	list, log, err := tool(root(t), `public=$(go list ./... | grep -vE '/(internal|examples)(/|$)')
		go list -deps -export -f '{{.ImportPath}} {{.Export}}' $public && echo "public:" $public`)
	require.NoError(t, err, "%s", log)
	exports, public, _ := strings.Cut(list, "public:")
	archives := map[string]string{}
	for line := range strings.Lines(exports) {
		path, archive, _ := strings.Cut(strings.TrimSpace(line), " ")
		archives[path] = archive
	}
	from := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(archives[path]) })
	for path := range strings.FieldsSeq(public) {
		pkg, err := from.Import(path)
		require.NoError(t, err)
		for _, name := range pkg.Scope().Names() {
			f, ok := pkg.Scope().Lookup(name).(*types.Func)
			if !ok || !f.Exported() || f.Signature().Results().Len() != 1 {
				continue
			}
			if _, ok := types.Unalias(f.Signature().Results().At(0).Type()).(*types.Signature); ok {
				names = append(names, path+"."+name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// The command in docs/fp-go.md needs nothing but Go.
func TestTheDocumentedVetCommandReportsAnEffectThatIsNeverRun(t *testing.T) {
	t.Parallel()
	command := regexp.MustCompile("(?s)```sh\n(.*?go vet .*?)```").FindStringSubmatch(read(t, root(t), "docs/fp-go.md"))
	require.NotNil(t, command)
	_, log, err := tool(newModule(t, testdata(t)), command[1])
	assert.Error(t, err)
	assert.Contains(t, log, "result of github.com/effectlock/effectlock/mutex.WithLock call not used")
}
