package backingtest

import (
	"context"
	"strings"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// Mistakes of a queue: who is in it, and in which order.
var brokenQueues = []brokenBacking{
	{"Release forgets those who wait", []rule{releaseHands}, func(m *memory.Backing) backing.Backing {
		return able{Backing: m, release: func(ctx context.Context, key, holder string) (bool, error) {
			had := holderOf(m, key) == holder
			ok, err := m.Release(ctx, key, holder)
			for h := holderOf(m, key); err == nil && had && h != ""; h = holderOf(m, key) {
				_, _ = m.Release(ctx, key, h)
			}
			return ok, err
		}}
	}},
	{"last come, first served", []rule{releaseHands}, func(m *memory.Backing) backing.Backing {
		a, l := lined(m)
		enqueue := a.enqueue
		a.enqueue = func(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
			before := l.of(w.Key)
			if holderOf(m, w.Key) == "" || l.has(w.Key, w.Holder) {
				return enqueue(ctx, w)
			}
			for _, b := range before {
				_, _ = a.release(ctx, b.Key, b.Holder)
			}
			s, err := enqueue(ctx, w)
			for _, b := range before {
				_, _ = enqueue(ctx, b)
			}
			return s, err
		}
		return a
	}},
	{"one who asks again goes to the end", []rule{enqueueWaits}, func(m *memory.Backing) backing.Backing {
		return able{Backing: m, enqueue: func(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
			if h := holderOf(m, w.Key); h != "" && h != w.Holder {
				_, _ = m.Release(ctx, w.Key, w.Holder)
			}
			return m.Enqueue(ctx, w)
		}}
	}},
	{"Enqueue evicts the holder", []rule{enqueueWaits}, func(m *memory.Backing) backing.Backing {
		return able{Backing: m, enqueue: func(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
			if h := holderOf(m, w.Key); h != w.Holder {
				_, _ = m.Release(ctx, w.Key, h)
			}
			return m.Enqueue(ctx, w)
		}}
	}},
	{"Enqueue only ever queues", []rule{enqueueTakes}, func(m *memory.Backing) backing.Backing {
		a, l := lined(m)
		enqueue := a.enqueue
		a.enqueue = func(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
			if ctx.Err() == nil && holderOf(m, w.Key) == "" && len(l.of(w.Key)) == 0 {
				return backing.Standing{AskAgain: time.Second}, nil
			}
			return enqueue(ctx, w)
		}
		return a
	}},
	{"Enqueue forgets its holder", []rule{enqueueTakes}, func(m *memory.Backing) backing.Backing {
		return able{Backing: m, enqueue: func(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
			if holderOf(m, w.Key) == w.Holder {
				return backing.Standing{AskAgain: time.Second}, ctx.Err()
			}
			return m.Enqueue(ctx, w)
		}}
	}},
	{"Enqueue gives its holder a new token", []rule{enqueueTakes}, func(m *memory.Backing) backing.Backing {
		return able{Backing: m, enqueue: func(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
			again := holderOf(m, w.Key) == w.Holder
			s, err := m.Enqueue(ctx, w)
			if g, ok := option.Unwrap(s.Grant); ok && again {
				s.Grant = option.Some(backing.Grant{Token: g.Token + 1})
			}
			return s, err
		}}
	}},
	{"a free key goes to whoever asks", []rule{firstIsGiven}, func(m *memory.Backing) backing.Backing {
		return able{Backing: m, enqueue: func(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
			if o, err := m.TryAcquire(ctx, w.Claim); option.IsSome(o) {
				return backing.Standing{Grant: o}, err
			}
			return m.Enqueue(ctx, w)
		}}
	}},
	{"a free key stays free while somebody waits", []rule{firstIsGiven}, func(m *memory.Backing) backing.Backing {
		a, l := lined(m)
		enqueue := a.enqueue
		a.enqueue = func(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
			if holderOf(m, w.Key) == "" && len(l.of(w.Key)) > 0 {
				return backing.Standing{AskAgain: time.Second}, ctx.Err()
			}
			return enqueue(ctx, w)
		}
		return a
	}},
	{"TryAcquire stands in line", []rule{tryBarges}, func(m *memory.Backing) backing.Backing {
		a, l := lined(m)
		a.tryAcquire = func(ctx context.Context, c backing.Claim) (grantOption, error) {
			if holderOf(m, c.Key) == "" && len(l.of(c.Key)) > 0 {
				return option.None[backing.Grant](), ctx.Err()
			}
			return m.TryAcquire(ctx, c)
		}
		return a
	}},
	{"who leaves stays in line", []rule{releaseLeaves}, func(m *memory.Backing) backing.Backing {
		a, l := lined(m)
		release := a.release
		a.release = func(ctx context.Context, key, holder string) (bool, error) {
			if l.has(key, holder) {
				return false, ctx.Err()
			}
			return release(ctx, key, holder)
		}
		return a
	}},
	{"who cannot be told is queued all the same", []rule{notQueued}, func(m *memory.Backing) backing.Backing {
		return able{Backing: m, enqueue: func(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
			s, err := m.Enqueue(ctx, w)
			if option.IsNone(s.Grant) {
				s.AskAgain, s.NotQueued = 0, errStore
			}
			return s, err
		}}
	}},
	{"who is queued learns why it is not", []rule{notQueued}, func(m *memory.Backing) backing.Backing {
		return able{Backing: m, enqueue: func(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
			s, err := m.Enqueue(ctx, w)
			if option.IsNone(s.Grant) {
				s.NotQueued = errStore
			}
			return s, err
		}}
	}},
	{"the queue cuts holders at a NUL byte", []rule{anyBytes, wholeStrings}, func(m *memory.Backing) backing.Backing {
		return able{Backing: m, enqueue: func(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
			w.Holder, _, _ = strings.Cut(w.Holder, "\x00")
			return m.Enqueue(ctx, w)
		}}
	}},
	{"Enqueue ignores an ended context", []rule{endedContext}, func(m *memory.Backing) backing.Backing {
		return able{Backing: m, enqueue: func(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
			s, _ := m.Enqueue(context.WithoutCancel(ctx), w)
			return s, ctx.Err()
		}}
	}},
}
