package main

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
)

type dialer = func(ctx context.Context, network, addr string) (net.Conn, error)

// wire counts what a client sends: its requests, as the server receives them.
//
// INFO was rejected, though it serves as a check: total_commands_processed and
// commandstats count a script and each command that the script calls, so that one
// EVALSHA looks like three or four requests.
type wire struct {
	requests    atomic.Int64
	connections atomic.Int64 // open now
}

func (w *wire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil, fmt.Errorf("dial %s %s: %T is no TCP connection", network, addr, c)
	}
	w.connections.Add(1)
	return &countedConn{TCPConn: tcp, wire: w}, nil
}

// countedConn embeds the TCP connection itself and not a net.Conn: go-redis asks a
// connection for its file descriptor to check that it is alive, and would skip that
// system call on one that hides it.
type countedConn struct {
	*net.TCPConn
	wire   *wire
	sent   requestCounter
	closed atomic.Bool
}

func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p)
	c.wire.requests.Add(int64(c.sent.count(p[:n])))
	return n, err
}

func (c *countedConn) Close() error {
	if !c.closed.Swap(true) {
		c.wire.connections.Add(-1)
	}
	return c.TCPConn.Close()
}

// requestCounter counts the requests in a stream that comes in pieces. In RESP a
// request is an array of bulk strings: *2 $3 GET $1 k.
type requestCounter struct {
	kind   byte // of the line that is being read; 0 between two lines
	number int
	skip   int // remaining bytes of a bulk string
}

func (r *requestCounter) count(p []byte) int {
	n := 0
	for len(p) > 0 {
		if r.skip > 0 {
			k := min(r.skip, len(p))
			r.skip -= k
			p = p[k:]
			continue
		}
		c := p[0]
		p = p[1:]
		switch {
		case r.kind == 0:
			r.kind, r.number = c, 0
		case '0' <= c && c <= '9':
			r.number = r.number*10 + int(c-'0')
		case c == '\n':
			switch r.kind {
			case '*':
				n++
			case '$':
				r.skip = r.number + len("\r\n")
			}
			r.kind = 0
		}
	}
	return n
}
