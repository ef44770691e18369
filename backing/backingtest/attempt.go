package backingtest

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"time"
)

// stall is how long a case on waiting may take before the store may no longer keep the key
// for a claimant that was woken. The store chooses that time, so unlike with other leases a
// slow machine cannot be helped with a longer one.
const stall = time.Second

// patiently runs a case again if it failed after it had stalled, and believes the third
// failure. Whatever a case leaves in a queue is taken out.
func (run runner) patiently() runner {
	return func(name string, body func(*probe)) {
		run(name, func(p *probe) {
			p.Helper()
			for attempt := 1; ; attempt++ {
				start := time.Now()
				message := p.attempt(strconv.Itoa(attempt), body)
				if message == "" {
					return
				}
				if attempt == 3 || time.Since(start) < stall {
					p.Fatalf("%s", message)
				}
			}
		})
	}
}

// attempt runs body on a goroutine of its own, which a failure ends, and returns the
// failure.
func (p *probe) attempt(name string, body func(*probe)) string {
	p.Helper()
	q, failed := *p, &recorder{then: func() {}}
	q.reporter, q.crowd, q.unique = failed, new(crowd), p.unique+"-"+name
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer q.disperse()
		body(&q)
	}()
	<-ended
	if q.crowd.unoffered != "" {
		p.Logf("not offered: %s", q.crowd.unoffered)
	}
	return failed.message
}

// disperse makes all claimants stop waiting.
func (p *probe) disperse() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, c := range p.crowd.all {
		_, _ = p.store.Release(ctx, c.Key, c.Holder) // what it answers was the case's concern
	}
}

// offersNot ends a case that has nothing to check.
func (p *probe) offersNot(format string, args ...any) {
	p.crowd.mu.Lock()
	p.crowd.unoffered = fmt.Sprintf(format, args...)
	p.crowd.mu.Unlock()
	runtime.Goexit()
}

// offering runs cases only on a backing with an ability.
func (run runner) offering(ability string, has func(*probe) bool) runner {
	return func(name string, body func(*probe)) {
		run(name, func(p *probe) {
			if !has(p) {
				p.offersNot("%s", ability)
			}
			body(p)
		})
	}
}

func refusesReleased(p *probe) bool { return p.releaser != nil && !p.unanswered }

func hasPasser(p *probe) bool   { return p.passer != nil }
func hasQueue(p *probe) bool    { return p.queue != nil }
func hasBatcher(p *probe) bool  { return p.batcher != nil }
func hasReleaser(p *probe) bool { return p.releaser != nil }
