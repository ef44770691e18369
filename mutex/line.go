package mutex

import (
	"context"
	"runtime"
	"sync"
	"time"
	"weak"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
)

// line is the queue of those in this process who want one lock. It is a list,
// which any waiter can leave at once, from any place.
type line struct {
	mu          sync.Mutex
	first, last *place
	asked       time.Time // when the store was last asked
}

// place is one waiter's place in a line.
type place struct {
	line          *line
	ahead, behind *place
	wake          chan struct{} // has a value when the first in line should ask the store
}

// join takes the last place.
func (l *line) join() *place {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &place{line: l, ahead: l.last, wake: make(chan struct{}, 1)}
	if p.ahead != nil {
		p.ahead.behind = p
	} else {
		l.first = p
	}
	l.last = p
	return p
}

// leave gives up the place; the next in line may come first by that.
func (p *place) leave() {
	l := p.line
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.behind != nil {
		p.behind.ahead = p.ahead
	} else {
		l.last = p.ahead
	}
	if p.ahead != nil {
		p.ahead.behind = p.behind
		return
	}
	if l.first = p.behind; l.first != nil {
		l.first.rouse()
	}
}

// mayAsk reports whether it is this waiter's turn to ask the store.
func (p *place) mayAsk() bool {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	if p.ahead != nil {
		return false
	}
	p.line.asked = time.Now()
	return true
}

// hurry has the first in line ask the store if it has not done so for much
// longer than every. A waiter must not wait by the policy of the one before it.
func (p *place) hurry(every time.Duration) {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	if p.ahead != nil && time.Since(p.line.asked) >= every+every/2 {
		p.line.first.rouse()
	}
}

// wakeFirst has the first in line, if there is one, ask the store.
func (l *line) wakeFirst() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first != nil {
		l.first.rouse()
	}
}

func (p *place) rouse() {
	select {
	case p.wake <- struct{}{}:
	default: // it has been woken, and did not look yet
	}
}

// sleepUntil waits until t, or until this place is woken, and fails if ctx
// ends before.
func (p *place) sleepUntil(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-p.wake:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return effect.Interrupted(ctx, nil)
	}
}

// lines finds the line of a lock. The mutexes of one lock share it, however
// often they are made; it is forgotten with the last of them. Lines that a user
// would have to close were the alternative: one more thing to forget.
var lines = struct {
	mu   sync.Mutex
	open map[lock]weak.Pointer[line]
}{open: map[lock]weak.Pointer[line]{}}

type lock struct {
	store backing.Backing
	key   string
}

func lineOf(store backing.Backing, key string) *line {
	k := lock{store, key}
	lines.mu.Lock()
	defer lines.mu.Unlock()
	if l := lines.open[k].Value(); l != nil {
		return l
	}
	l := &line{}
	lines.open[k] = weak.Make(l)
	runtime.AddCleanup(l, forgetLine, k)
	return l
}

func forgetLine(k lock) {
	lines.mu.Lock()
	defer lines.mu.Unlock()
	if lines.open[k].Value() == nil { // not made anew meanwhile
		delete(lines.open, k)
	}
}
