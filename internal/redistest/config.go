package redistest

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Configure changes a setting of the running server, such as "maxmemory", "1". Pass
// a setting that can only be given at the start to Start.
func (s *Server) Configure(name, value string) {
	s.t.Helper()
	s.do("CONFIG", "SET", name, value)
}

// Allow creates a user, or changes the rules for one, as ACL SETUSER reads them. It
// breaks the connections that are logged in as that user, so that they log in again.
func (s *Server) Allow(user string, rules ...string) {
	s.t.Helper()
	command := []any{"ACL", "SETUSER", user}
	for _, rule := range rules {
		command = append(command, rule)
	}
	s.do(command...)
	s.do("CLIENT", "KILL", "USER", user, "SKIPME", "yes")
}

// Flush empties the server, which keeps its scripts.
func (s *Server) Flush() { s.t.Helper(); s.do("FLUSHALL") }

// closing closes a client when the test ends.
func closing[C io.Closer](t testing.TB, c C) C {
	t.Helper()
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// do sends a command as the default user, which must need no password.
func (s *Server) do(command ...any) string {
	s.t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.Addr()})
	defer c.Close()
	// Not the test's context, which has ended by the time a cleanup runs.
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	reply, err := c.Do(ctx, command...).Result()
	check(s.t, err)
	text, _ := reply.(string)
	return text
}

// info returns a field of INFO, or "" if there is none of that name.
func (s *Server) info(field string) string {
	s.t.Helper()
	for line := range strings.Lines(s.do("INFO")) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// await polls ok until it is true, and fails the test if that takes too long.
func (s *Server) await(what string, ok func() bool) {
	s.t.Helper()
	if !within(startLimit, ok) {
		s.t.Fatalf("redistest: %s: timed out waiting until %s\n%s", s.Addr(), what, s.Log())
	}
}

// within polls ok until it is true, and reports false if limit passes first.
func within(limit time.Duration, ok func() bool) bool {
	for give := time.Now().Add(limit); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(give) {
			return false
		}
	}
	return true
}
