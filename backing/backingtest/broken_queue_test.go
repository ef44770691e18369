package backingtest

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// Mistakes of a queue: which claimants are in it, and in which order.
var brokenQueues = []brokenBacking{
	{"Release forgets those who wait", []rule{releaseHands}, func(m *memory.Backing) backing.Backing {
		return &able{Backing: m, release: func(ctx context.Context, key, holder string) (bool, error) {
			had := holderOf(m, key) == holder
			ok, err := m.Release(ctx, key, holder)
			if h := holderOf(m, key); err == nil && had && h != "" {
				expires(m, key, h)
			}
			return ok, err
		}}
	}},
	{"last come, first served", []rule{releaseHands}, func(m *memory.Backing) backing.Backing {
		a, l := lined(m)
		enqueue := a.enqueue
		a.enqueue = func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			before := l.of(w.Key)
			if holderOf(m, w.Key) == "" || l.has(w.Key, w.Holder) {
				return enqueue(ctx, w)
			}
			for _, b := range before {
				_, _ = a.releaseClaim(ctx, unknown(b.Claim))
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
		return &able{Backing: m, enqueue: func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			if h := holderOf(m, w.Key); h != "" && h != w.Holder {
				_, _ = m.ReleaseClaim(ctx, unknown(w.Claim))
			}
			return m.Enqueue(ctx, w)
		}}
	}},
	{"Enqueue evicts the holder", []rule{enqueueWaits, lateIsRefused}, func(m *memory.Backing) backing.Backing {
		return &able{Backing: m, enqueue: func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			if h := holderOf(m, w.Key); h != w.Holder {
				_, _ = m.Release(ctx, w.Key, h)
			}
			return m.Enqueue(ctx, w)
		}}
	}},
	{"Enqueue only ever queues", []rule{enqueueTakes}, func(m *memory.Backing) backing.Backing {
		a, l := lined(m)
		enqueue := a.enqueue
		a.enqueue = func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			if ctx.Err() == nil && holderOf(m, w.Key) == "" && len(l.of(w.Key)) == 0 {
				return backing.Queued{AskAgain: time.Second}, nil
			}
			return enqueue(ctx, w)
		}
		return a
	}},
	{"Enqueue forgets its holder", []rule{enqueueTakes}, func(m *memory.Backing) backing.Backing {
		return &able{Backing: m, enqueue: func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			if holderOf(m, w.Key) == w.Holder {
				return backing.Queued{AskAgain: time.Second}, ctx.Err()
			}
			return m.Enqueue(ctx, w)
		}}
	}},
	{"Enqueue gives its holder a lower token", []rule{tokenKeeps, tokensRise}, outcomes(func(o backing.Outcome) backing.Outcome {
		if g, ok := o.(backing.Granted); ok && g.Resumed {
			g.Token--
			return g
		}
		return o
	})},
	{"Enqueue answers nothing", []rule{noAnswer}, outcomes(func(o backing.Outcome) backing.Outcome {
		if _, queued := o.(backing.Queued); queued {
			return nil
		}
		return o
	})},
	{"those who wait are to ask again at once", []rule{askAgain}, outcomes(func(o backing.Outcome) backing.Outcome {
		if _, queued := o.(backing.Queued); queued {
			return backing.Queued{}
		}
		return o
	})},
	{"those who wait are refused", []rule{enqueueWaits}, outcomes(func(o backing.Outcome) backing.Outcome {
		if _, queued := o.(backing.Queued); queued {
			return backing.Refused{}
		}
		return o
	})},
	{"those who have left must poll", []rule{enqueueLate}, outcomes(func(o backing.Outcome) backing.Outcome {
		if _, refused := o.(backing.Refused); refused {
			return backing.MustPoll{}
		}
		return o
	})},
	{"those who cannot be woken are queued all the same", []rule{notQueued}, outcomes(func(o backing.Outcome) backing.Outcome {
		if _, queued := o.(backing.Queued); queued {
			return backing.MustPoll{Why: errStore}
		}
		return o
	})},
	{"a free key goes to whoever asks", []rule{firstIsGiven}, func(m *memory.Backing) backing.Backing {
		return &able{Backing: m, enqueue: func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			if o, err := m.TryAcquire(ctx, w.Claim); option.IsSome(o) {
				g, _ := option.Unwrap(o)
				return backing.Granted{Grant: g}, err
			}
			return m.Enqueue(ctx, w)
		}}
	}},
	{"a free key stays free while somebody waits", []rule{firstIsGiven}, func(m *memory.Backing) backing.Backing {
		a, l := lined(m)
		enqueue := a.enqueue
		a.enqueue = func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			if holderOf(m, w.Key) == "" && len(l.of(w.Key)) > 0 {
				return backing.Queued{AskAgain: time.Second}, ctx.Err()
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
	{"one that leaves stays in line", []rule{releaseLeaves}, func(m *memory.Backing) backing.Backing {
		a, l := lined(m)
		release := a.release
		a.release = func(ctx context.Context, key, holder string) (bool, error) {
			if l.has(key, holder) {
				return false, ctx.Err()
			}
			return release(ctx, key, holder)
		}
		releaseClaim := a.releaseClaim
		a.releaseClaim = func(ctx context.Context, c backing.Claim) (backing.Released, error) {
			if l.has(c.Key, c.Holder) {
				return backing.NotHeld, ctx.Err()
			}
			return releaseClaim(ctx, c)
		}
		return a
	}},
	{"the queue cuts holders at a NUL byte", []rule{anyBytes, wholeStrings}, func(m *memory.Backing) backing.Backing {
		return &able{Backing: m, enqueue: func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			w.Holder, _, _ = strings.Cut(w.Holder, "\x00")
			return m.Enqueue(ctx, w)
		}}
	}},
	{"Enqueue ignores an ended context", []rule{endedContext}, func(m *memory.Backing) backing.Backing {
		return &able{Backing: m, enqueue: func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			s, _ := m.Enqueue(context.WithoutCancel(ctx), w)
			return s, ctx.Err()
		}}
	}},
}

// outcomes changes what Enqueue answers.
func outcomes(change func(backing.Outcome) backing.Outcome) func(*memory.Backing) backing.Backing {
	return func(m *memory.Backing) backing.Backing {
		return &able{Backing: m, enqueue: func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			o, err := m.Enqueue(ctx, w)
			if err != nil {
				return nil, err
			}
			return change(o), nil
		}}
	}
}

// unknown names an acquisition of the holder that was never made: that it is released is
// not remembered of any other.
func unknown(c backing.Claim) backing.Claim {
	c.Attempt = fmt.Sprint("unknown", unknowns.Add(1))
	return c
}

var unknowns atomic.Int64
