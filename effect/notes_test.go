package effect_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/effectlock/effectlock/effect"
)

// How long generated programs take, chosen so that no sum of them is the
// second after which a program is cancelled.
const (
	sleeps    = 350 * time.Millisecond
	ignores   = 270 * time.Millisecond
	cancelled = time.Second
)

// inherited is the key of a value that the context of each program has.
type inherited struct{}

// notes is what a running program leaves behind.
type notes struct {
	running atomic.Int32 // nodes

	mu     sync.Mutex
	log    []string // of finalizers, as they start
	open   int      // finalizers that were registered, and have not run
	faults []string
}

// open is the finalizers of one scope that have yet to run.
type open struct{ ids []int }

func (n *notes) scope() *open { return &open{} }

func (n *notes) fault(format string, args ...any) {
	n.faults = append(n.faults, fmt.Sprintf(format, args...))
}

// register records that f must run, as the last finalizer of its scope. It returns what runs it.
func (n *notes) register(f cleanup, of *open) func(exit string) effect.Effect[effect.Void] {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open++
	if of != nil {
		of.ids = append(of.ids, f.id)
	}
	runs := 0
	return func(exit string) effect.Effect[effect.Void] {
		if f.does == "panic at once" { // before there is an effect
			n.start(f, of, exit, &runs)
			panic(fmt.Sprint("finalizer ", f.id))
		}
		return func(ctx context.Context) (none effect.Void, err error) {
			n.running.Add(1)
			defer n.running.Add(-1)
			n.start(f, of, exit, &runs)
			n.check(ctx, f)
			switch f.does {
			case "fail":
				return none, &mark{fmt.Sprint("finalizer ", f.id)}
			case "panic":
				panic(fmt.Sprint("finalizer ", f.id))
			case "goexit":
				return goexit[effect.Void](ctx)
			case "outlast":
				<-ctx.Done()
				return none, &mark{fmt.Sprint("finalizer ", f.id)}
			}
			return none, nil
		}
	}
}

func (n *notes) start(f cleanup, of *open, exit string, runs *int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.log = append(n.log, fmt.Sprintf("%d after %s", f.id, exit))
	n.open--
	if *runs++; *runs > 1 {
		n.fault("finalizer %d ran again", f.id)
	}
	if of != nil {
		if last := len(of.ids) - 1; last < 0 || of.ids[last] != f.id {
			n.fault("finalizer %d ran before those that came later: %v", f.id, of.ids)
		} else {
			of.ids = of.ids[:last]
		}
	}
}

func (n *notes) check(ctx context.Context, f cleanup) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if ctx.Err() != nil || ctx.Value(inherited{}) != "kept" {
		n.fault("finalizer %d has a context that has ended, or lacks its values", f.id)
	}
	end, bounded := ctx.Deadline()
	if left := time.Until(end); !bounded || left <= 0 || left > effect.FinalizerTimeout {
		n.fault("finalizer %d has %v", f.id, left)
	}
}

// describe says how an effect ended.
func describe[A any](e effect.Exit[A]) string { return fmt.Sprint(kind(e), labels(e.Err())) }
