package hazards_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// wallClock is the wall clock of a server, independent of the machine's and ours.
type wallClock struct{ file *os.File }

// realServer is the program before the environment is changed.
var realServer = os.Getenv(redistest.Binary)

// newSkewedStore returns a server whose wall clock is ahead. Clients' clocks cannot be
// changed like that, because Go asks the kernel and no library; but the only clocks that
// are compared are the server's and the client's, and it does not matter which is wrong.
//
// The C compiler is the one that -race needs anyway. The test must not be parallel,
// because it changes the environment.
func newSkewedStore(t *testing.T, ahead time.Duration) (store, wallClock) {
	t.Helper()
	redistest.Require(t)
	server, err := exec.LookPath(realServer)
	require.NoError(t, err)
	dir := t.TempDir()
	library := filepath.Join(dir, "clock.so")
	compiler := "cc"
	if cc := os.Getenv("CC"); cc != "" {
		compiler = cc
	}
	said, err := exec.Command(compiler, "-shared", "-fPIC", "-O1", "-o", library, filepath.Join("testdata", "clock.c")).CombinedOutput()
	require.NoError(t, err, "%s", said)

	file, err := os.Create(filepath.Join(dir, "ahead"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	clock := wallClock{file}
	clock.set(t, ahead)
	wrapper := filepath.Join(dir, "redis-server")
	script := fmt.Sprintf("#!/bin/sh\nWALL_CLOCK='%s' LD_PRELOAD='%s' exec '%s' \"$@\"\n", file.Name(), library, server)
	require.NoError(t, os.WriteFile(wrapper, []byte(script), 0o700)) //nolint:gosec // it is a program
	t.Setenv(redistest.Binary, wrapper)
	s := newStore(t)
	require.InDelta(t, time.Now().Add(ahead).UnixMilli(), s.now().UnixMilli(), float64(soon.Milliseconds()), "the server has the machine's clock")
	return s, clock
}

// set makes the clock run ahead by whole seconds from now on.
func (w wallClock) set(t *testing.T, ahead time.Duration) {
	t.Helper()
	_, err := w.file.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(int64(ahead/time.Second))), 0) //nolint:gosec // two's complement
	require.NoError(t, err)
}

// now returns the time by the server's clock.
func (s store) now() time.Time {
	s.t.Helper()
	now, err := s.direct.Time(s.t.Context()).Result()
	require.NoError(s.t, err)
	return now
}
