package effect

import "sync"

// latch opens once. The zero latch is shut, and makes a channel only for those
// who wait: of most fibers nobody but the scope asks for the end, and then they
// have ended already.
type latch struct {
	mu   sync.Mutex
	is   bool
	wait chan struct{}
}

func (l *latch) open() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.is = true
	if l.wait != nil {
		close(l.wait)
	}
}

func (l *latch) isOpen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.is
}

var always = func() chan struct{} {
	open := make(chan struct{})
	close(open)
	return open
}()

// opened returns a channel that is closed when the latch opens.
func (l *latch) opened() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.is {
		return always
	}
	if l.wait == nil {
		l.wait = make(chan struct{})
	}
	return l.wait
}
