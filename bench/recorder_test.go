package main

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRequestsAreRecordedHoweverTheyAreWritten(t *testing.T) {
	t.Parallel()
	const stream = get + set + get
	for size := 1; size <= len(stream); size++ {
		near, far := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		tape := &recorder{}
		c := &recordedConn{Conn: near, to: tape}
		for rest := stream; rest != ""; {
			piece := rest[:min(size, len(rest))]
			_, err := io.WriteString(c, piece)
			require.NoError(t, err)
			rest = rest[len(piece):]
		}
		assert.Equal(t, [][]string{{"GET", "k"}, {"SET", "", "*1\r\n$4\r\nPING"}, {"GET", "k"}}, tape.sent(), "in pieces of %d", size)
		require.NoError(t, near.Close())
	}
}
