package pipeline

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// BenchmarkOverhead uses a connection that replies by itself: it shows what Run costs
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

// mirror is a connection whose server replies at once.
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
