package mistakes_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the folder of this module.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	require.NoError(t, err)
	return dir
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return string(text)
}

// newModule makes a module with the same dependencies as this one, and this one.
func newModule(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	const path = "github.com/effectlock/effectlock"
	mod := strings.Replace(read(t, root(t), "go.mod"), "module "+path, "module example.com/mistakes", 1)
	mod += "\nrequire " + path + " v0.0.0\n\nreplace " + path + " => " + root(t) + "\n"
	write := func(name, text string) {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	write("go.mod", mod)
	write("go.sum", read(t, root(t), "go.sum"))
	for name, text := range files {
		write(name, text)
	}
	return dir
}

// testdata returns the programs in testdata.
func testdata(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	names, err := filepath.Glob("testdata/*/*.go")
	require.NoError(t, err)
	for _, name := range names {
		files[strings.TrimPrefix(name, "testdata/")] = read(t, name)
	}
	require.NotEmpty(t, files)
	return files
}

// tool runs a command in a folder, and returns what it prints.
func tool(dir, command string) (stdout, stderr string, err error) {
	var out, log strings.Builder
	c := exec.Command("sh", "-c", command)
	c.Dir, c.Stdout, c.Stderr = dir, &out, &log
	err = c.Run()
	return out.String(), log.String(), err
}

// unsafe returns the operators that docs/fp-go.md calls unsafe, with what to use instead.
// The package fpgo holds that table to the operators' behaviour.
func unsafe(t *testing.T) map[string][]string {
	t.Helper()
	instead := map[string][]string{}
	code := regexp.MustCompile("`(.+?)`")
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*`) \\| unsafe \\| .* \\| (.*) \\|$").FindAllStringSubmatch(read(t, root(t), "docs/fp-go.md"), -1) {
		for _, operator := range code.FindAllStringSubmatch(row[1], -1) {
			for _, name := range code.FindAllStringSubmatch(row[2], -1) {
				instead[operator[1]] = append(instead[operator[1]], name[1])
			}
		}
	}
	require.NotEmpty(t, instead)
	return instead
}
