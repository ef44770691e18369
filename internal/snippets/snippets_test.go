package snippets

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the Go blocks of the Markdown files from their sources")

// repository is the root, relative to the folder in which go test runs this package.
const repository = "../.."

// problem is what is wrong at a line of a Markdown file. For a block that differs
// from its source, it has want and got as well.
type problem struct {
	line      int
	text      string
	want, got string
}

// check compares the Go blocks of a Markdown file with their sources below root.
func check(root, markdown string) (problems []problem) {
	found, strays := blocks(markdown)
	for _, s := range strays {
		problems = append(problems, problem{line: s.line, text: "no block of Go follows the marker for " + s.source})
	}
	for _, b := range found {
		if b.source == "" {
			problems = append(problems, problem{line: b.line, text: "this block of Go comes from no compiled file: " +
				"put a line like <!-- snippet: examples/quickstart/main.go#main:body --> before it"})
			continue
		}
		want, err := source(root, b.source)
		if err != nil {
			problems = append(problems, problem{line: b.line, text: err.Error()})
			continue
		}
		if want != b.code {
			problems = append(problems, problem{line: b.line, text: "this block differs from " + b.source + "; " +
				"change that file, then run: go test ./internal/snippets -update", want: want, got: b.code})
		}
	}
	return problems
}

// rewrite returns the Markdown with every block replaced by its source. Blocks
// without a usable source stay.
func rewrite(root, markdown string) string {
	found, _ := blocks(markdown)
	lines := strings.SplitAfter(markdown, "\n")
	for _, b := range slices.Backward(found) { // a change moves no line above it
		want, err := source(root, b.source)
		if err != nil || want == b.code {
			continue
		}
		var fresh []string
		for line := range strings.Lines(want) {
			if line != "\n" {
				line = b.indent + line
			}
			fresh = append(fresh, line)
		}
		end := b.line + strings.Count(b.code, "\n")
		lines = append(lines[:b.line:b.line], append(fresh, lines[min(end, len(lines)):]...)...)
	}
	return strings.Join(lines, "")
}

func TestMarkdownIsTrue(t *testing.T) {
	t.Parallel()
	require.FileExists(t, filepath.Join(repository, "go.mod"))
	for _, pattern := range []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md"} {
		files, err := filepath.Glob(filepath.Join(repository, pattern))
		require.NoError(t, err)
		for _, file := range files {
			name, err := filepath.Rel(repository, file)
			require.NoError(t, err)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				text, err := os.ReadFile(file)
				require.NoError(t, err)
				if *update {
					fresh := rewrite(repository, string(text))
					require.NoError(t, os.WriteFile(file, []byte(fresh), 0o644))
					text = []byte(fresh)
				}
				problems := append(check(repository, string(text)), deadLinks(repository, filepath.Dir(name), string(text))...)
				for _, p := range problems {
					assert.Equal(t, p.want, p.got, "%s:%d: %s", name, p.line, p.text)
					if p.want == p.got {
						t.Errorf("%s:%d: %s", name, p.line, p.text)
					}
				}
			})
		}
	}
}

func TestCheckNamesWhatIsWrongWithABlock(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"a.go": "package a\n\nfunc F() {\n\tprintln(1)\n}\n"})
	drift := problem{line: 3, want: "println(1)\n", got: "println(2)\n",
		text: "this block differs from a.go#F:body; change that file, then run: go test ./internal/snippets -update"}
	tests := map[string]struct {
		markdown string
		want     []problem
	}{
		"equal":         {"<!-- snippet: a.go#F:body -->\n```go\nprintln(1)\n```\n", nil},
		"drift":         {"\n<!-- snippet: a.go#F:body -->\n```go\nprintln(2)\n```\n", []problem{drift}},
		"no function G": {"<!-- snippet: a.go#G -->\n```go\n```\n", []problem{{line: 2, text: `a.go declares no "G"; it has F`}}},
		"no marker": {"```go\nprintln(1)\n```\n", []problem{{line: 1, text: "this block of Go comes from no compiled file: " +
			"put a line like <!-- snippet: examples/quickstart/main.go#main:body --> before it"}}},
		"no block": {"<!-- snippet: a.go#F -->\n", []problem{{line: 1, text: "no block of Go follows the marker for a.go#F"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, check(root, tt.markdown))
		})
	}
}

func TestRewriteMakesEveryBlockEqualItsSourceAndChangesNothingElse(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"a.go": "package a\n\nfunc F() {\n\tprintln(1)\n\n\tprintln(2)\n}\n\nfunc G() { println(3) }\n"})
	page := "# A\n\n<!-- snippet: a.go#F:body -->\n```go\n%s```\n\n" +
		"- in a list\n  <!-- snippet: a.go#F:body -->\n  ```go\n%s  ```\n\n```go\nno marker\n```\n" +
		"<!-- snippet: a.go#H -->\n```go\nno source\n```\n<!-- snippet: a.go#G -->\n```go\n%s```\nThe end, without a newline"
	want := fmt.Sprintf(page, "println(1)\n\nprintln(2)\n", "  println(1)\n\n  println(2)\n", "func G() { println(3) }\n")

	assert.Equal(t, want, rewrite(root, fmt.Sprintf(page, "", "  stale\n", "one\ntwo\nthree\n")))
	assert.Equal(t, want, rewrite(root, want))
}

// tree writes files into a fresh folder and returns its path.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	return root
}
