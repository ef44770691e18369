package effect

import "sync"

// latch opens once. The zero latch is shut. Its channel is made when a goroutine first
// waits: most fibers are only waited for by their scope, after they have ended.
type latch struct {
	mu   sync.Mutex
	wait chan struct{}
}

// open must be called once.
func (l *latch) open() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wait == nil {
		l.wait = alwaysOpen
		return
	}
	close(l.wait)
}

func (l *latch) isOpen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.wait: // a nil channel is never ready
		return true
	default:
		return false
	}
}

// opened returns a channel that is closed when the latch opens.
func (l *latch) opened() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wait == nil {
		l.wait = make(chan struct{})
	}
	return l.wait
}

var alwaysOpen = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
