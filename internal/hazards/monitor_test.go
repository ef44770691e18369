package hazards_test

import (
	"bufio"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
)

// monitor has all commands that a server runs, as MONITOR reports them.
type monitor struct {
	store
	mu    sync.Mutex
	lines []string
}

func (s store) monitored() *monitor {
	s.t.Helper()
	m := &monitor{store: s}
	conn, err := net.Dial("tcp", s.Addr())
	require.NoError(s.t, err)
	_, err = conn.Write([]byte("MONITOR\r\n"))
	require.NoError(s.t, err)
	lines := bufio.NewReader(conn)
	_, err = lines.ReadString('\n') // commands are reported from here on
	require.NoError(s.t, err)
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			m.mu.Lock()
			m.lines = append(m.lines, strings.TrimSuffix(line, "\r\n"))
			m.mu.Unlock()
		}
	})
	s.t.Cleanup(func() {
		_ = conn.Close()
		reading.Wait()
	})
	return m
}

// find returns the matches in the commands that have been run so far.
func (m *monitor) find(pattern string) (found [][]string) {
	m.t.Helper()
	mark := fmt.Sprint(time.Now().UnixNano())
	require.NoError(m.t, m.direct.Do(m.t.Context(), "ECHO", mark).Err())
	var lines []string
	eventually(m.t, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		lines = m.lines
		return slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, mark) })
	}, "MONITOR reports the mark")
	is := regexp.MustCompile(pattern)
	for _, line := range lines {
		if match := is.FindStringSubmatch(line); match != nil {
			found = append(found, match)
		}
	}
	return found
}

// wakeUps returns how many messages have been published for the lock of the test, except empty
// ones, which count the subscribers.
func (m *monitor) wakeUps() int {
	m.t.Helper()
	return len(m.find(` lua\] "S?PUBLISH" "push:[^"]*" "[^"]*` + regexp.QuoteMeta(m.key)))
}

// leases returns the leases that scripts have written for a lock, in order, in milliseconds: taken
// if the lock was free, and set whether or not.
func (m *monitor) leases(name string) (taken, set []time.Duration) {
	m.t.Helper()
	for _, match := range m.find(`lua\] "(?:SET|PEXPIRE)" "` + regexp.QuoteMeta(lockKey(name)) + `" (.*)"(-?\d+)"$`) {
		ms, err := strconv.ParseInt(match[2], 10, 64)
		require.NoError(m.t, err)
		if lease := time.Duration(ms) * time.Millisecond; strings.Contains(match[1], `"NX"`) {
			taken = append(taken, lease)
		} else {
			set = append(set, lease)
		}
	}
	return taken, set
}

// stat returns a figure from a section of the server's INFO, such as the calls of a command.
func (s store) stat(section, name, field string) (n int) {
	s.t.Helper()
	info, err := s.direct.InfoMap(s.t.Context(), section).Result()
	require.NoError(s.t, err)
	for _, fields := range info {
		if match := regexp.MustCompile(`(?:^|,)` + field + `=(\d+)`).FindStringSubmatch(fields[name]); match != nil {
			n, _ = strconv.Atoi(match[1])
		} else if field == "" {
			n, _ = strconv.Atoi(fields[name])
		}
	}
	return n
}

// ran counts how often the server has run, or refused, a command.
func (s store) ran(command string) int {
	s.t.Helper()
	return s.stat("commandstats", "cmdstat_"+command, "calls") + s.stat("commandstats", "cmdstat_"+command, "rejected_calls")
}

// scripts returns how often the server has been asked to run a script: nearly all requests of
// the library. EVAL does not count: it only follows an EVALSHA that the server did not know.
func (s store) scripts() int { s.t.Helper(); return s.ran("evalsha") }

// connections returns how many connections the server has had since it was started.
func (s store) connections() int {
	s.t.Helper()
	return s.stat("stats", "total_connections_received", "")
}

// unknown returns how often the server has said that it does not know a script.
func (s store) unknown() int {
	s.t.Helper()
	return s.stat("errorstats", "errorstat_NOSCRIPT", "count")
}

// clients returns how many connections the server has now, the test's own included; kind is as
// in CLIENT LIST TYPE.
func (s store) clients(kind string) int {
	s.t.Helper()
	list, err := s.direct.Do(s.t.Context(), "CLIENT", "LIST", "TYPE", kind).Text()
	require.NoError(s.t, err)
	return strings.Count(list, "\n")
}
