package backingtest

import (
	"context"
	"fmt"
	"runtime"
	"sync"
)

// together runs work n times at once, each time with a probe of its own. If any of them
// failed, it fails with the first failure when all have ended.
func (p *probe) together(n int, work func(p *probe, i int)) {
	p.Helper()
	going, stop := context.WithCancel(p.going)
	defer stop()
	// Only the goroutine of a test may fail it; the others record their failure.
	failed := &recorder{then: stop}
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		member := *p
		member.reporter, member.going, member.calls = failed, going, nil
		all.Go(func() {
			<-start
			work(&member, i)
		})
	}
	close(start) // so that the first does not end before the last begins
	all.Wait()
	if failed.message != "" {
		p.Fatalf("%s", failed.message)
	}
}

// A recorder keeps the first failure of any number of goroutines.
type recorder struct {
	once    sync.Once
	then    func()
	message string
}

func (r *recorder) Helper() {}

func (r *recorder) Logf(string, ...any) {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.once.Do(func() {
		r.message = fmt.Sprintf(format, args...)
		r.then()
	})
	runtime.Goexit()
}
