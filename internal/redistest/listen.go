package redistest

import (
	"context"
	"net"
	"sync"
	"testing"
)

// listen calls run for each connection that l accepts. The context ends with the test.
func listen(t testing.TB, l net.Listener, run func(ended context.Context, client net.Conn)) {
	t.Helper()
	var running sync.WaitGroup
	ended, end := context.WithCancel(context.Background())
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(ended, func() { _ = c.Close() })
			running.Go(func() {
				defer stop()
				defer c.Close()
				run(ended, c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		end()
		running.Wait()
	})
}
