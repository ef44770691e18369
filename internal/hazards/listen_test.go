package hazards_test

import (
	"bufio"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// eavesdropper hears all commands that a server is sent.
type eavesdropper struct {
	store
	mu    sync.Mutex
	lines []string
}

func (s store) listenIn(t *testing.T) *eavesdropper {
	t.Helper()
	e := &eavesdropper{store: s}
	s.monitor(t, func(line string) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.lines = append(e.lines, line)
	})
	return e
}

// monitor has hear told, until the test ends, of each command that the server runs
// from now on, as MONITOR tells it.
func (s store) monitor(t *testing.T, hear func(line string)) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	_, err = conn.Write([]byte("MONITOR\r\n"))
	require.NoError(t, err)
	lines := bufio.NewReader(conn)
	_, err = lines.ReadString('\n') // from here on it tells
	require.NoError(t, err)
	var listening sync.WaitGroup
	listening.Go(func() {
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			hear(strings.TrimSuffix(line, "\r\n"))
		}
	})
	t.Cleanup(func() {
		_ = conn.Close()
		listening.Wait()
	})
}

// byClients are the commands that no script has sent, without the time and the
// address that MONITOR puts before each.
func (e *eavesdropper) byClients() (said []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, line := range e.lines {
		about, command, ok := strings.Cut(line, "] ")
		if ok && !strings.HasSuffix(about, " lua") {
			said = append(said, command)
		}
	}
	return said
}

// wakeUps is how many messages the server has published, but for those that are empty:
// they count the subscribers.
func (e *eavesdropper) wakeUps(t *testing.T) (n int) {
	t.Helper()
	mark := fmt.Sprint(time.Now().UnixNano())
	require.NoError(t, e.direct.Do(t.Context(), "ECHO", mark).Err())
	eventually(t, func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return slices.ContainsFunc(e.lines, func(line string) bool { return strings.HasSuffix(line, `"ECHO" "`+mark+`"`) })
	}, "MONITOR tells of the mark")
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, line := range e.lines {
		if published.MatchString(line) {
			n++
		}
	}
	return n
}

var published = regexp.MustCompile(` lua\] "S?PUBLISH" "push:[^"]*" "[^"]`)

// count is how many of them have both words.
func (e *eavesdropper) count(one, other string) (n int) {
	for _, said := range e.byClients() {
		if strings.Contains(said, one) && strings.Contains(said, other) {
			n++
		}
	}
	return n
}
