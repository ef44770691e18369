package snippets

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

var (
	codeSpan = regexp.MustCompile("`[^`]*`")
	links    = []*regexp.Regexp{
		regexp.MustCompile(`\]\(\s*<?([^)>\s]+)`),                  // [text](target "title"), ![alt](target)
		regexp.MustCompile(`^ {0,3}\[[^\]]+\]:\s*<?([^>\s]+)`),     // [label]: target
		regexp.MustCompile(`(?:src|srcset|href)\s*=\s*"([^"\s]+)`), // <img src="target">
	}
)

// deadLinks returns the relative links of a Markdown file in folder that point to no
// file or folder below root. It follows no web links, and checks no headings.
func deadLinks(root, folder, markdown string) (dead []problem) {
	lines := strings.Split(markdown, "\n")
	for i := 0; i < len(lines); i++ {
		if m := fence.FindStringSubmatch(lines[i]); m != nil {
			i = closing(lines, i+1, m[2])
			continue
		}
		line := codeSpan.ReplaceAllString(lines[i], "")
		for _, link := range links {
			for _, m := range link.FindAllStringSubmatch(line, -1) {
				if !exists(root, folder, m[1]) {
					dead = append(dead, problem{line: i + 1, text: "the link " + m[1] + " points to no file in this repository"})
				}
			}
		}
	}
	return dead
}

func exists(root, folder, target string) bool {
	u, err := url.Parse(target)
	if err != nil {
		return false
	}
	if u.Scheme != "" || u.Host != "" || u.Path == "" {
		return true
	}
	path := filepath.Join(folder, filepath.FromSlash(u.Path))
	if fromRoot, ok := strings.CutPrefix(u.Path, "/"); ok {
		path = filepath.FromSlash(fromRoot)
	}
	if !filepath.IsLocal(path) {
		return false
	}
	_, err = os.Stat(filepath.Join(root, path))
	return err == nil
}

func TestDeadLinksAreFound(t *testing.T) {
	t.Parallel()
	root := filepath.Join(tree(t, map[string]string{
		"outside.md": "", "root/LICENSE": "", "root/docs/design.md": "", "root/docs/a b.svg": "",
	}), "root")
	tests := map[string]struct {
		markdown string
		dead     []string
	}{
		"a file":                {"see [design](design.md).", nil},
		"with a heading":        {"[design](design.md#why \"title\")", nil},
		"up and from the root":  {"[a](../LICENSE) [b](/LICENSE) [c](..)", nil},
		"an escaped blank":      {"![picture](a%20b.svg)", nil},
		"the web, this page":    {"[a](https://example.com/x) [b](mailto:a@example.com) [c](#here) [d](//example.com/y)", nil},
		"a label":               {"[design]: design.md", nil},
		"no such file":          {"[a](nothing.md), ![b](nothing.svg#x)", []string{"nothing.md", "nothing.svg#x"}},
		"no such label":         {"[a]: <nothing.md>", []string{"nothing.md"}},
		"no such picture":       {`<picture><source srcset="no.svg"><img src="none.svg"></picture>`, []string{"no.svg", "none.svg"}},
		"out of the repository": {"[a](../../outside.md)", []string{"../../outside.md"}},
		"the wrong case":        {"[a](../license)", []string{"../license"}},
		"not a URL":             {"[a](%zz)", []string{"%zz"}},
		"in code":               {"`m[k](nothing.md)`\n```go\nm[k](nothing.md)\n```\n", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var dead []string
			for _, p := range deadLinks(root, "docs", "\n"+tt.markdown) {
				assert.Positive(t, p.line)
				target := strings.TrimSuffix(strings.TrimPrefix(p.text, "the link "), " points to no file in this repository")
				dead = append(dead, target)
			}
			assert.Equal(t, tt.dead, dead)
		})
	}
}
