package backingtest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// A wire is the client of a store that is far away: a request may be lost on its way there,
// or its answer on the way back.
type wire struct {
	open func() full // makes an empty store
	// The mistakes of a client.
	deaf   bool   // ignores the context during an operation
	failed error  // returned when a context ends, instead of the context's error
	late   bool   // requests arrive although the context has ended
	undo   bool   // undoes late requests if the claimant has released meanwhile
	hushed string // the operation in which a missing answer counts as a no
	hides  error  // the error that hushed ignores
	tired  string // the operation that is never repeated once it has failed
	gaveUp atomic.Bool

	mu       sync.Mutex
	store    full
	lose     bool
	cut      chan struct{} // closed by Heal; nil if the wire is whole
	released record
}

func wired(open func() full) (*wire, Faults) {
	w := &wire{open: open, store: open()}
	return w, Faults{
		LoseReply: func() { w.set(func() { w.lose = true }) },
		Cut:       func() { w.set(func() { w.cut = make(chan struct{}) }) },
		Heal: func() {
			w.set(func() {
				if w.cut != nil {
					close(w.cut)
				}
				w.cut = nil
			})
		},
		Wipe:    func() { w.set(func() { w.store = w.open() }) },
		Restart: func() {},
	}
}

func sound() full { return memory.New() }

// unremembering does not refuse late requests: its clients must take care of them.
func unremembering() full { return &flawed{flaw: "late requests are not refused"} }

func (w *wire) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// there is where a request arrives, unless something stops it.
func (w *wire) there() (store full, cut chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.store, w.cut
}

func (w *wire) loses() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.lose = false }()
	return w.lose
}

var errConnection = errors.New("the connection broke")

// who returns the claimant for which a request asks for the key; most requests have none.
type who struct{ key, holder string }

func send[A any](ctx context.Context, w *wire, operation string, by who, request func(context.Context, full) (A, error)) (answer A, err error) {
	if err := ctx.Err(); err != nil {
		return answer, err
	}
	if operation == w.tired && w.gaveUp.Load() {
		return answer, nil
	}
	defer func() {
		if operation == w.tired && err != nil && ctx.Err() == nil {
			w.gaveUp.Store(true)
		}
		if operation == w.hushed && errors.Is(err, w.hides) {
			err = nil
		}
	}()
	if by != (who{}) {
		w.released.remove(by.key, by.holder)
	}
	if _, cut := w.there(); cut != nil {
		ended := ctx.Done()
		if w.deaf {
			ended = nil
		}
		select {
		case <-cut:
		case <-ended:
			if w.late && by != (who{}) {
				go w.lands(cut, by, func(ctx context.Context, store full) { _, _ = request(ctx, store) })
			}
			if w.failed != nil {
				return answer, w.failed
			}
			return answer, ctx.Err()
		}
	}
	store, _ := w.there()
	answer, err = request(context.WithoutCancel(ctx), store)
	if w.loses() {
		var none A
		return none, errConnection
	}
	return answer, err
}

// lands applies a request that was sent before its sender left.
func (w *wire) lands(cut chan struct{}, by who, request func(context.Context, full)) {
	<-cut
	time.Sleep(aMoment)
	store, _ := w.there()
	request(context.Background(), store)
	if w.undo && w.released.has(by.key, by.holder) {
		_, _ = store.Release(context.Background(), by.key, by.holder)
	}
}

func (w *wire) Abilities() backing.Abilities { return allOf(w) }

func (w *wire) TryAcquire(ctx context.Context, c backing.Claim) (grantOption, error) {
	return send(ctx, w, "TryAcquire", who{c.Key, c.Holder}, func(ctx context.Context, s full) (grantOption, error) { return s.TryAcquire(ctx, c) })
}

func (w *wire) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	return send(ctx, w, "Refresh", who{}, func(ctx context.Context, s full) (bool, error) { return s.Refresh(ctx, c) })
}

func (w *wire) Release(ctx context.Context, key, holder string) (bool, error) {
	w.released.add(key, holder)
	return send(ctx, w, "Release", who{}, func(ctx context.Context, s full) (bool, error) { return s.Release(ctx, key, holder) })
}

func (w *wire) IsLocked(ctx context.Context, key string) (bool, error) {
	return send(ctx, w, "IsLocked", who{}, func(ctx context.Context, s full) (bool, error) { return s.IsLocked(ctx, key) })
}

func (w *wire) GetHolder(ctx context.Context, key string) (holderOption, error) {
	return send(ctx, w, "GetHolder", who{}, func(ctx context.Context, s full) (holderOption, error) { return s.GetHolder(ctx, key) })
}

func (w *wire) ReleaseClaim(ctx context.Context, c backing.Claim) (backing.Released, error) {
	w.released.add(c.Key, c.Holder)
	return send(ctx, w, "ReleaseClaim", who{}, func(ctx context.Context, s full) (backing.Released, error) { return s.ReleaseClaim(ctx, c) })
}

func (w *wire) Enqueue(ctx context.Context, c backing.Waiter) (backing.Outcome, error) {
	return send(ctx, w, "Enqueue", who{c.Key, c.Holder}, func(ctx context.Context, s full) (backing.Outcome, error) { return s.Enqueue(ctx, c) })
}

func (w *wire) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	return send(ctx, w, "Pass", who{next.Key, next.Holder}, func(ctx context.Context, s full) (backing.Outcome, error) {
		return s.Pass(ctx, from, next, yield)
	})
}

func (w *wire) RefreshAll(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
	all, err := send(ctx, w, "RefreshAll", who{}, func(ctx context.Context, s full) ([]backing.Refreshed, error) { return s.RefreshAll(ctx, claims), nil })
	if all == nil {
		all = make([]backing.Refreshed, len(claims))
	}
	if err != nil {
		for i := range all {
			all[i].Err = err
		}
	}
	return all
}
