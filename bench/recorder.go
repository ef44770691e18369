package main

import (
	"bytes"
	"context"
	"net"
	"slices"
	"strconv"
	"sync"
)

// recorder keeps the requests that a client sends.
//
// It reads them from the wire. A hook of go-redis was rejected: a hook sees the
// client's own types, including pointers, and the other clients have no hooks.
type recorder struct {
	mu       sync.Mutex
	requests [][]string
}

func (r *recorder) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &recordedConn{Conn: c, to: r}, nil
}

// sent returns the requests so far.
func (r *recorder) sent() [][]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

type recordedConn struct {
	net.Conn
	to *recorder

	unread []byte // the beginning of a request; guarded by to.mu
}

// Write keeps the request before sending it, so that it is there when the reply comes.
func (c *recordedConn) Write(p []byte) (int, error) {
	c.to.mu.Lock()
	c.unread = append(c.unread, p...)
	for {
		request, rest, ok := cutRequest(c.unread)
		if !ok {
			break
		}
		c.to.requests = append(c.to.requests, request)
		c.unread = rest
	}
	c.to.mu.Unlock()
	return c.Conn.Write(p)
}

// cutRequest reads the first request of a stream in RESP, an array of bulk strings,
// if it is complete.
func cutRequest(stream []byte) (args []string, rest []byte, ok bool) {
	n, stream, ok := cutNumber(stream, '*')
	if !ok {
		return nil, nil, false
	}
	for range n {
		var size int
		size, stream, ok = cutNumber(stream, '$')
		if !ok || len(stream) < size+len("\r\n") {
			return nil, nil, false
		}
		args = append(args, string(stream[:size]))
		stream = stream[size+len("\r\n"):]
	}
	return args, stream, true
}

func cutNumber(stream []byte, kind byte) (n int, rest []byte, ok bool) {
	line, rest, ok := bytes.Cut(stream, []byte("\r\n"))
	if !ok || len(line) == 0 || line[0] != kind {
		return 0, nil, false
	}
	n, err := strconv.Atoi(string(line[1:]))
	return n, rest, err == nil
}
