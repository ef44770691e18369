package pipeline

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/redis/internal/script"
)

// breaker is a server that answers each script with the replies for its connection, and
// then closes that. No real server breaks amid its replies on demand.
func breaker(t *testing.T, first <-chan struct{}, replies ...[]string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); running.Wait() })
	running.Go(func() {
		var conns atomic.Int32
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				mine := -1
				for r := bufio.NewReader(conn); ; {
					name, err := command0(r)
					if err != nil {
						return
					}
					if name != "evalsha" {
						_, _ = io.WriteString(conn, "-ERR unknown command\r\n")
						continue
					}
					if mine < 0 {
						mine = int(conns.Add(1)) - 1
					}
					if mine == 0 {
						<-first
					}
					if mine >= len(replies) || len(replies[mine]) == 0 {
						_ = conn.(*net.TCPConn).CloseWrite() // a reset would overtake the replies
						_, _ = io.Copy(io.Discard, r)
						return
					}
					_, _ = io.WriteString(conn, replies[mine][0])
					replies[mine] = replies[mine][1:]
				}
			})
		}
	})
	return l.Addr().String()
}

// command0 reads a command, and returns its name.
func command0(r *bufio.Reader) (name string, err error) {
	header, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(strings.Trim(header, "*\r\n"))
	for i := 0; err == nil && i < 2*n; i++ {
		var line string
		if line, err = r.ReadString('\n'); i == 1 {
			name = strings.ToLower(strings.TrimSpace(line))
		}
	}
	return name, err
}

func TestBatchThatBreaksFailsOnlyWhatHadNoReply(t *testing.T) {
	t.Parallel()
	const yes, no = "+yes\r\n", "+no\r\n"
	for name, tt := range map[string]struct {
		retries int
		script  *script.Script
		replies [][]string
		want    []string
	}{
		"and what was answered keeps its reply": {
			-1, touch, [][]string{{yes}, {yes, no}}, []string{"yes", "no", "in doubt", "in doubt", "in doubt"},
		},
		"also if it could be repeated, but not by the client": {
			3, echo, [][]string{{yes}, {yes, no}, {yes, no, yes, no, yes}}, []string{"yes", "no", "in doubt", "in doubt", "in doubt"},
		},
		"but what was repeated has only the last reply": {
			1, touch, [][]string{{yes}, {yes, no}, {}}, []string{"in doubt", "in doubt", "in doubt", "in doubt", "in doubt"},
		},
		"and nothing, if the repetition succeeds": {
			1, touch, [][]string{{yes}, {yes}, {yes, no, yes, no, yes}}, []string{"yes", "no, repeated", "yes, repeated", "no, repeated", "yes, repeated"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := make(chan struct{})
			c := clientOf(t, goredis.Options{Addr: breaker(t, first, tt.replies...), MaxRetries: tt.retries, MinRetryBackoff: -1})
			p := New(c)
			s := p.common[0]
			p.common[1] = s // so that all go together
			got := make([]string, len(tt.want))
			var all sync.WaitGroup
			run := func(at *string) {
				all.Go(func() {
					reply, err := p.Run(t.Context(), say(tt.script, "k", "w"))
					switch *at = reply.Value; {
					case err != nil:
						assert.True(t, MayBeApplied(err), "%v", err)
						*at = "in doubt"
					case reply.Repeated:
						*at += ", repeated"
					}
				})
			}
			var lead string
			run(&lead)
			s.holds(t, 0)
			for i := range got {
				run(&got[i])
				s.holds(t, i+1)
			}
			close(first)
			all.Wait()
			assert.Equal(t, "yes", lead)
			assert.Equal(t, tt.want, got)
		})
	}
}
