package effect

import (
	"cmp"
	"context"
)

// RaceFirst runs the effects concurrently and ends as the first of them does, with a value
// or a failure. It cancels the others and waits for them; their values and failures are
// dropped. So an effect that acquires something must do so in a [Scope]; a loser that
// should release it at once needs a Scope of its own. A race of no effects lasts until its
// context ends.
//
// A panic of any of them is raised again once all have ended, as a *[Defect]
// that holds the stack of its goroutine. Of several panics, one is raised. If none
// panicked but one called runtime.Goexit, so does the race.
func RaceFirst[A any](effects ...Effect[A]) Effect[A] {
	return func(ctx context.Context) (A, error) {
		exit, _ := gather(ctx, effects, func(Exit[A]) bool { return true })
		return exit.result()
	}
}

// Race runs the effects concurrently and yields the first value. It cancels the others
// and waits for them. If all fail, it fails with their errors, joined in the order of the
// effects, and values beside those errors are dropped. A race of no effects lasts until
// its context ends. For panics and dropped values see [RaceFirst].
func Race[A any](effects ...Effect[A]) Effect[A] {
	return func(ctx context.Context) (none A, err error) {
		exit, exits := gather(ctx, effects, Exit[A].IsSuccess)
		if exit.IsSuccess() || len(effects) == 0 {
			return exit.result()
		}
		for _, e := range exits {
			err = join(err, e.Err())
		}
		return none, err
	}
}

// gather runs the effects in goroutines of their own until decides accepts an exit. It then
// cancels the others, waits for all, and returns the accepted exit, or the last one if none
// was accepted, and the exits of all. It raises the defect of any of them, unless the error
// of the exit that it returns first holds it.
func gather[A any](ctx context.Context, effects []Effect[A], decides func(Exit[A]) bool) (Exit[A], []Exit[A]) {
	if len(effects) == 0 {
		<-ctx.Done()
		return exitOf(ctx, *new(A), Interrupted(ctx, nil)), nil
	}
	racing, cancel := context.WithCancel(ctx)
	defer cancel()

	ended := make(chan *Fiber[A], len(effects))
	fibers := make([]*Fiber[A], len(effects))
	for i, eff := range effects {
		f := newFiber[A](racing)
		fibers[i] = f
		go func() {
			defer func() { ended <- f }()
			f.run(eff)
		}()
	}

	var last, decisive *Fiber[A]
	for range effects {
		last = <-ended
		if decisive == nil && (last.exit.IsDefect() || decides(last.exit)) {
			decisive = last
			cancel()
		}
	}
	decisive = cmp.Or(decisive, last)

	exits := make([]Exit[A], len(fibers))
	var raised *Defect
	for i, f := range fibers {
		exits[i] = f.exit
		if f.exit.raised || f.exit.IsDefect() && f != decisive {
			if raised == nil || raised.Value == ErrGoexit { // which must not hide a panic
				raised, _ = asDefect(f.exit.err)
			}
		}
	}
	if raised != nil {
		raised.raise()
	}
	return decisive.exit, exits
}
