package main

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// count counts the requests that the server receives until the returned function is
// called. It uses MONITOR, which marks the calls of scripts, and not INFO, which counts
// them as requests.
func (s *stage) count() func() int64 {
	conn, err := net.Dial("tcp", s.server.Addr())
	check(err)
	s.owner.Cleanup(func() { _ = conn.Close() })
	lines := bufio.NewReader(conn)
	_, err = conn.Write([]byte("MONITOR\r\n"))
	check(err)
	_, err = lines.ReadString('\n')
	check(err)

	var requests atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			line, err := lines.ReadSlice('\n')
			for errors.Is(err, bufio.ErrBufferFull) { // the text of a script: only the beginning matters
				_, err = lines.ReadSlice('\n')
			}
			if err != nil {
				return
			}
			if !bytes.Contains(line[:min(len(line), 64)], []byte(" lua] ")) {
				requests.Add(1)
			}
		}
	}()
	return func() int64 {
		time.Sleep(settle) // for the last line to arrive
		_ = conn.Close()
		<-done
		return requests.Load()
	}
}
