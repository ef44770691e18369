package snippets

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// source returns the code that a marker names, ending in one newline.
func source(root, name string) (string, error) {
	file, declaration, part := strings.Cut(name, "#")
	declaration, wantBody := strings.CutSuffix(declaration, ":body")
	if !fs.ValidPath(file) || !strings.HasSuffix(file, ".go") || part && declaration == "" {
		return "", fmt.Errorf("%q: want path/from/the/root.go, optionally followed by #Name or #Name:body", name)
	}
	if err := compiled(root, file); err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return "", err
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, text, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		return "", err
	}
	offset := func(p token.Pos) int { return set.Position(p).Offset }

	if !part {
		return clean(text[offset(parsed.Package):])
	}
	names, nodes := declarations(parsed)
	node := nodes[declaration]
	if node == nil {
		return "", fmt.Errorf("%s declares no %q; it has %s", file, declaration, strings.Join(names, ", "))
	}
	if !wantBody {
		return clean(text[offset(node.Pos()):offset(node.End())])
	}
	function, ok := node.(*ast.FuncDecl)
	if !ok || function.Body == nil {
		return "", fmt.Errorf("%s: %s is not a function, so it has no body", file, declaration)
	}
	return clean(text[offset(function.Body.Lbrace)+1 : offset(function.Body.Rbrace)])
}

// compiled rejects the files that `go build ./...` and `go test ./...` skip: code
// that nobody compiles may be wrong.
func compiled(root, file string) error {
	for element := range strings.SplitSeq(path.Dir(file), "/") {
		if element == "testdata" || element == "vendor" || strings.HasPrefix(element, "_") || (strings.HasPrefix(element, ".") && element != ".") {
			return fmt.Errorf("%s is not compiled: the go command ignores %s", file, element)
		}
	}
	matched, err := build.Default.MatchFile(filepath.Join(root, filepath.FromSlash(path.Dir(file))), path.Base(file))
	if err != nil {
		return err
	}
	if !matched {
		return fmt.Errorf("%s is not compiled here: its name or its build constraint excludes it", file)
	}
	return nil
}

// clean moves code to the left margin. It uses gofmt rather than cutting tabs, because
// the lines of a raw string must stay where they are.
func clean(code []byte) (string, error) {
	formatted, err := format.Source(bytes.TrimSpace(code))
	return string(bytes.TrimSpace(formatted)) + "\n", err
}

// declarations returns the names that a file declares, and the first declaration of each
// without its doc comment. The names of a group in parentheses share the group: its members
// seldom make sense alone.
func declarations(parsed *ast.File) (names []string, nodes map[string]ast.Node) {
	nodes = map[string]ast.Node{}
	add := func(name string, node ast.Node) {
		names = append(names, name)
		if nodes[name] == nil {
			nodes[name] = node
		}
	}
	for _, declaration := range parsed.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			add(receiver(d)+d.Name.Name, d)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					add(s.Name.Name, d)
				case *ast.ValueSpec:
					for _, name := range s.Names {
						add(name.Name, d)
					}
				}
			}
		}
	}
	return names, nodes
}

// receiver returns "T." for a method on T, *T or T[A], and "" for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	var name string
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name + "."
		}
		return name == ""
	})
	return name
}

const example = `// Copyright somebody.

// Package example is one.
package example

import "fmt"

// Lease has a doc comment.
type Lease[A any] struct {
	Key string // of the lock
}

// Start and the rest form a group.
const (
	Start = iota
	End
)

// Print has one as well.
func (l *Lease[A]) Print() { fmt.Println(l.Key) }

func Story() {
	if true {
		// why
		fmt.Print(` + "`first\n\tsecond\n`" + `)
	}
	// Output:
	// first
}
`

func TestSourceIsTheNamedPartOfAFileThatIsCompiled(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{
		"example.go":       example,
		"main.go":          "package main\n\nimport \"os\"\n\nfunc main() { os.Exit(0) }\n",
		"testdata/code.go": "package code\n",
		"never.go":         "//go:build never\n\npackage never\n",
		"broken.go":        "package broken\n\nfunc {\n",
	})
	story := "if true {\n\t// why\n\tfmt.Print(`first\n\tsecond\n`)\n}\n// Output:\n// first\n"
	for name, want := range map[string]struct{ code, err string }{
		"main.go":                {code: "package main\n\nimport \"os\"\n\nfunc main() { os.Exit(0) }\n"},
		"main.go#main":           {code: "func main() { os.Exit(0) }\n"},
		"main.go#main:body":      {code: "os.Exit(0)\n"},
		"example.go#Lease":       {code: "type Lease[A any] struct {\n\tKey string // of the lock\n}\n"},
		"example.go#End":         {code: "const (\n\tStart = iota\n\tEnd\n)\n"},
		"example.go#Lease.Print": {code: "func (l *Lease[A]) Print() { fmt.Println(l.Key) }\n"},
		"example.go#Story:body":  {code: story},
		"example.go#Tale":        {err: `declares no "Tale"; it has Lease, Start, End, Lease.Print, Story`},
		"example.go#Lease:body":  {err: "is not a function"},
		"example.go#":            {err: "want path/from/the/root.go"},
		"example.go#:body":       {err: "want path/from/the/root.go"},
		"missing.go":             {err: "no such file"},
		"../example.go":          {err: "want path/from/the/root.go"},
		"README.md":              {err: "want path/from/the/root.go"},
		"":                       {err: "want path/from/the/root.go"},
		"testdata/code.go":       {err: "ignores testdata"},
		"never.go":               {err: "build constraint excludes it"},
		"broken.go#F":            {err: "broken.go:3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := source(root, name)
			if want.err != "" {
				require.ErrorContains(t, err, want.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, want.code, got)
		})
	}
}
