package main

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	get = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
	// A value that looks like a request, and an empty one.
	set = "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$12\r\n*1\r\n$4\r\nPING\r\n"
)

func TestRequestsAreCountedAndRecordedHoweverTheStreamIsCut(t *testing.T) {
	t.Parallel()
	const stream = get + set + get
	for size := 1; size <= len(stream); size++ {
		near, far := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		tape := &recorder{}
		c := &recordedConn{Conn: near, to: tape}
		var r requestCounter
		n := 0
		for rest := stream; rest != ""; {
			piece := rest[:min(size, len(rest))]
			n += r.count([]byte(piece))
			_, err := io.WriteString(c, piece)
			require.NoError(t, err)
			rest = rest[len(piece):]
		}
		assert.Equal(t, 3, n, "in pieces of %d", size)
		assert.Equal(t, [][]string{{"GET", "k"}, {"SET", "", "*1\r\n$4\r\nPING"}, {"GET", "k"}}, tape.sent(), "in pieces of %d", size)
		require.NoError(t, near.Close())
	}
}

func TestLongArgumentsAreOneRequest(t *testing.T) {
	t.Parallel()
	var r requestCounter
	payload := strings.Repeat("*1\r\n", 1000)
	assert.Equal(t, 2, r.count([]byte("*2\r\n$4\r\nECHO\r\n$4000\r\n"+payload+"\r\n"+get)))
}

func TestWireCountsRequestsAndOpenConnections(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	w := &wire{}
	c, err := w.dial(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	peer, err := l.Accept()
	require.NoError(t, err)
	defer peer.Close()

	_, err = io.WriteString(c, get+set)
	require.NoError(t, err)
	assert.EqualValues(t, 2, w.requests.Load())
	assert.EqualValues(t, 1, w.connections.Load())
	require.NoError(t, c.Close())
	assert.Error(t, c.Close())
	assert.EqualValues(t, 0, w.connections.Load(), "closed once, however often Close is called")
}
