package snippets

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// block is one fenced block of Go in a Markdown file. Line numbers count from 1.
type block struct {
	line   int    // of the opening fence
	indent string // of the opening fence, as in a list
	source string // what the marker names; empty if there is none
	code   string // without indent
}

// stray is a marker that no block of Go follows.
type stray struct {
	line   int
	source string
}

var (
	fence  = regexp.MustCompile("^([ \t]*)(`{3,}|~{3,})[ \t]*([A-Za-z0-9_+-]*)")
	marker = regexp.MustCompile(`^[ \t]*<!--[ \t]*snippet:[ \t]*(\S*)[ \t]*-->[ \t]*$`)
)

// blocks finds the blocks of Go. A marker belongs to the fence right after it;
// blank lines between them are allowed. What looks like a marker or a fence inside
// another block is text.
func blocks(markdown string) (found []block, strays []stray) {
	lines := strings.Split(markdown, "\n")
	var pending *stray
	drop := func() {
		if pending != nil {
			strays = append(strays, *pending)
			pending = nil
		}
	}
	for i := 0; i < len(lines); i++ {
		if m := marker.FindStringSubmatch(lines[i]); m != nil {
			drop()
			pending = &stray{line: i + 1, source: m[1]}
			continue
		}
		m := fence.FindStringSubmatch(lines[i])
		if m == nil {
			if strings.TrimSpace(lines[i]) != "" {
				drop()
			}
			continue
		}
		end := closing(lines, i+1, m[2])
		if !isGo(m[3]) {
			drop()
			i = end
			continue
		}
		b := block{line: i + 1, indent: m[1]}
		if pending != nil {
			b.source, pending = pending.source, nil
		}
		for _, line := range lines[i+1 : end] {
			b.code += strings.TrimPrefix(line, b.indent) + "\n"
		}
		found = append(found, b)
		i = end
	}
	drop()
	return found, strays
}

// closing returns the index of the line that closes a fence, or len(lines).
func closing(lines []string, from int, fence string) int {
	for i := from; i < len(lines); i++ {
		text := strings.TrimSpace(lines[i])
		if len(text) >= len(fence) && strings.Trim(text, fence[:1]) == "" {
			return i
		}
	}
	return len(lines)
}

func isGo(language string) bool {
	return strings.EqualFold(language, "go") || strings.EqualFold(language, "golang")
}

func TestBlocksOfGoAreFoundWithTheirMarkers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		markdown string
		blocks   []block
		strays   []stray
	}{
		"marked":            {"<!-- snippet: a.go#F -->\n```go\nf()\n```\n", []block{{2, "", "a.go#F", "f()\n"}}, nil},
		"blank line":        {"<!--snippet: a.go-->\n\n```go\n```\n", []block{{3, "", "a.go", ""}}, nil},
		"unmarked":          {"text\n```go\nf()\n```\n", []block{{2, "", "", "f()\n"}}, nil},
		"golang, attribute": {"```Golang title=x\nf()\n```\n", []block{{1, "", "", "f()\n"}}, nil},
		"tildes":            {"~~~go\n```\n~~~\n", []block{{1, "", "", "```\n"}}, nil},
		"in a list":         {"- <!-- x -->\n  ```go\n  if a {\n  \tb()\n  }\n  ```\n", []block{{2, "  ", "", "if a {\n\tb()\n}\n"}}, nil},
		"never closed":      {"```go\nf()", []block{{1, "", "", "f()\n"}}, nil},
		"two":               {"```go\na\n```\n```go\nb\n```", []block{{1, "", "", "a\n"}, {4, "", "", "b\n"}}, nil},
		"other language":    {"```sh\nmake\n```\n", nil, nil},
		"longer name":       {"```go-template\n{{.}}\n```\n", nil, nil},
		"inside another":    {"````markdown\n<!-- snippet: a.go -->\n```go\nf()\n```\n````\n", nil, nil},
		"text in between":   {"<!-- snippet: a.go -->\ntext\n```go\n```\n", []block{{3, "", "", ""}}, []stray{{1, "a.go"}}},
		"before a shell":    {"<!-- snippet: a.go -->\n```sh\n```\n", nil, []stray{{1, "a.go"}}},
		"a shell between":   {"<!-- snippet: a.go -->\n```sh\n```\n```go\n```\n", []block{{4, "", "", ""}}, []stray{{1, "a.go"}}},
		"two markers":       {"<!-- snippet: a.go -->\n<!-- snippet: b.go -->\n```go\n```", []block{{3, "", "b.go", ""}}, []stray{{1, "a.go"}}},
		"at the end":        {"<!-- snippet: a.go -->", nil, []stray{{1, "a.go"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, strays := blocks(tt.markdown)
			assert.Equal(t, tt.blocks, found)
			assert.Equal(t, tt.strays, strays)
		})
	}
}
