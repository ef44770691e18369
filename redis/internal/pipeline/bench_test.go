package pipeline

import (
	"bytes"
	"context"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// BenchmarkOverhead is the same on a connection that replies by itself: what Run costs
// beyond go-redis, whatever else the machine does.
func BenchmarkOverhead(b *testing.B) {
	c := clientOf(b, goredis.Options{
		Dialer:   func(context.Context, string, string) (net.Conn, error) { return &mirror{}, nil },
		Protocol: 2, DisableIdentity: true, PoolSize: 10,
	})
	p := New(c)
	warm(b, p, "k")
	keys := []string{"a key of a lock"}
	b.Run("client", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := c.EvalSha(b.Context(), echo.SHA, keys, "a holder's id of 26 bytes.").Err(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("pipeline", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.Run(b.Context(), say(echo, keys[0], "a holder's id of 26 bytes.")); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// mirror is a connection whose server has the reply at once.
type mirror struct{ unread string }

func (m *mirror) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("hello")) {
		m.unread += "-ERR unknown command 'hello'\r\n"
	} else {
		m.unread += "+up\r\n"
	}
	return len(b), nil
}

func (m *mirror) Read(b []byte) (int, error) {
	if m.unread == "" {
		return 0, io.EOF
	}
	n := copy(b, m.unread)
	m.unread = m.unread[n:]
	return n, nil
}

func (*mirror) Close() error                     { return nil }
func (*mirror) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*mirror) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*mirror) SetDeadline(time.Time) error      { return nil }
func (*mirror) SetReadDeadline(time.Time) error  { return nil }
func (*mirror) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkRun stands beside the same script run by go-redis itself. Besides the time it
// reports that of the processors, which is less if the caller waits.
func BenchmarkRun(b *testing.B) {
	c := redistest.Start(b).Client(b)
	p := New(c)
	warm(b, p, "k")
	keys := []string{"a key of a lock"}
	ways := []struct {
		name string
		do   func(ctx context.Context) error
	}{
		{"client", func(ctx context.Context) error {
			return c.EvalSha(ctx, echo.SHA, keys, "a holder's id of 26 bytes.").Err()
		}},
		{"pipeline", func(ctx context.Context) error {
			_, err := p.Run(ctx, say(echo, keys[0], "a holder's id of 26 bytes."))
			return err
		}},
	}
	cancellable, cancel := context.WithCancel(b.Context())
	defer cancel()
	for _, of := range []struct {
		name string
		ctx  context.Context
	}{{"background", context.Background()}, {"cancellable", cancellable}} {
		for _, way := range ways {
			b.Run(of.name+"/"+way.name, func(b *testing.B) {
				require.NoError(b, way.do(of.ctx))
				b.ReportAllocs()
				before := spent(b)
				for b.Loop() {
					if err := way.do(of.ctx); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(spent(b)-before)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// spent is the time of the processors that the process has had.
func spent(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
