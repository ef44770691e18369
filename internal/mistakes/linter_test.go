package mistakes_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// linter skips the test unless the environment names the linter's command.
func linter(t *testing.T) string {
	t.Helper()
	command := os.Getenv("EFFECTLOCK_LINTER")
	if command == "" {
		t.Skip("EFFECTLOCK_LINTER names no linter; `make lint` sets it")
	}
	return command
}

// The lines with a comment `// want x` are reported by linter x, and no others.
func TestTheLinterReportsMistakes(t *testing.T) {
	t.Parallel()
	command := linter(t)
	files := testdata(t)
	files["fpgo/fpgo.go"] = everyOperator(t)
	var want []string
	for name, text := range files {
		for i, line := range strings.Split(text, "\n") {
			if _, linter, ok := strings.Cut(line, "// want "); ok {
				want = append(want, fmt.Sprintf("%s:%d: %s", name, i+1, linter))
			}
		}
	}
	files[".golangci.yml"] = read(t, root(t), ".golangci.yml")
	out, log, err := tool(newModule(t, files), command+" run --allow-parallel-runners --show-stats=false --output.json.path=stdout ./...")
	require.Error(t, err, "it found nothing")
	var report struct{ Issues []issue }
	require.NoError(t, json.NewDecoder(strings.NewReader(out)).Decode(&report), "%s%s", out, log)
	var got []string
	instead := unsafe(t)
	for _, i := range report.Issues {
		got = append(got, fmt.Sprintf("%s:%d: %s", i.Pos.Filename, i.Pos.Line, i.FromLinter))
		if operator := regexp.MustCompile(`RR\.(\w+)`).FindStringSubmatch(i.SourceLines[0]); operator != nil {
			for _, name := range instead[operator[1]] {
				assert.Contains(t, i.Text, name, "what to use in place of %s", operator[1])
			}
		}
	}
	assert.ElementsMatch(t, want, got, "%s", out)
}

type issue struct {
	FromLinter, Text string
	SourceLines      []string
	Pos              struct {
		Filename string
		Line     int
	}
}

// everyOperator is a program that names all functions of fp-go's package, and wants the
// linter to refuse those that are unsafe.
func everyOperator(t *testing.T) string {
	t.Helper()
	const path = "github.com/IBM/fp-go/v2/idiomatic/context/readerresult"
	dir, log, err := tool(root(t), "go list -f '{{.Dir}}' "+path)
	require.NoError(t, err, "%s", log)
	sources, err := filepath.Glob(filepath.Join(strings.TrimSpace(dir), "*.go"))
	require.NoError(t, err)
	refused := unsafe(t)
	var b strings.Builder
	fmt.Fprintf(&b, "// Package fpgo names all operators.\npackage fpgo\n\nimport (\n\t\"io\"\n\n\tRR %q\n)\n\n", path)
	for _, name := range sources {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() || strings.HasSuffix(name, "_test.go") {
				continue
			}
			want := ""
			if refused[f.Name.Name] != nil {
				want = " // want forbidigo"
				delete(refused, f.Name.Name)
			}
			arguments := "" // io.Closer satisfies every constraint
			if n := f.Type.TypeParams.NumFields(); n > 0 {
				arguments = "[" + strings.Repeat("io.Closer, ", n-1) + "io.Closer]"
			}
			fmt.Fprintf(&b, "var _ = RR.%s%s%s\n", f.Name.Name, arguments, want)
		}
	}
	require.Empty(t, refused, "fp-go has no such operators")
	return b.String()
}
