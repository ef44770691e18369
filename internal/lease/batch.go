package lease

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
)

// maxBatch is the most leases that one request refreshes: the server does nothing else in
// the meantime.
const maxBatch = 250

// batch is a request under way for some leases.
type batch struct {
	// start is just before the request is sent, and the same for all batches of one
	// wake-up: leases that are refreshed together become due together.
	start  time.Duration
	leases []*Lease
	wanted int // leases that still need the answer; guarded by the renewer's mutex
	ctx    context.Context
	cancel context.CancelFunc
}

// take returns a batch of leases whose refresh is due, or nil if there are none. No two of
// them have the same key. It also ends the leases whose deadline has passed.
func (r *Renewer) take(now time.Duration) *batch {
	b, most := &batch{start: now}, 1
	if r.batcher != nil {
		most = maxBatch
	}
	keys := map[string]bool{}
	for next := r.schedule.first(); next != nil && next.due <= now && len(b.leases) < most; next = r.schedule.first() {
		l := next.leases[len(next.leases)-1]
		if keys[l.Claim.Key] { // one of the two has lost its lock, or both use the same configured id
			r.schedule.move(l, now+1)
			continue
		}
		was := l.term.State
		r.step(l, l.term.Send(now))
		switch l.term.State {
		case Lost:
		case was: // stopped since it was scheduled
			r.schedule.move(l, l.term.Next())
		default:
			l.batch, keys[l.Claim.Key] = b, true
			b.leases = append(b.leases, l)
		}
	}
	if len(b.leases) == 0 {
		return nil
	}
	b.wanted = len(b.leases)
	b.ctx, b.cancel = context.WithTimeout(context.Background(), r.timeout)
	return b
}

// drop records that a lease no longer needs the answer.
func (b *batch) drop() {
	if b.wanted--; b.wanted == 0 {
		b.cancel()
	}
}

// send sends one batch and applies the answers. It calls the owner of a lease on another
// goroutine, so that no owner delays the other leases.
func (r *Renewer) send(b *batch) {
	defer b.cancel()
	answers := r.answers(b)
	timedOut := b.ctx.Err() != nil
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.at(time.Now())
	deadline, due := r.granted(b.start)
	for i, l := range b.leases {
		first, err := l.term.Failure == nil, answers[i].Err
		switch {
		case err != nil:
			if timedOut || errors.Is(err, context.DeadlineExceeded) { // not a caller's deadline
				err = &effect.TimeoutError{Duration: now - b.start, Err: err}
			}
			if r.step(l, l.term.Failed(err, now)); l.term.State == Renewing {
				go r.retry(l, err, now, first)
			}
		case answers[i].Held:
			r.step(l, l.term.Renewed(deadline, due, now))
		default:
			if r.step(l, l.term.Expire(now)); l.term.inFlight() {
				go l.owner.Denied()
			}
		}
	}
	r.arm()
}

// answers returns one answer for each lease. A panic in the store counts as a failed
// request: nothing up this goroutine's stack could recover it.
func (r *Renewer) answers(b *batch) []backing.Refreshed {
	exit := effect.RunExit(b.ctx, func(ctx context.Context) ([]backing.Refreshed, error) {
		if len(b.leases) == 1 {
			held, err := r.Store.Refresh(ctx, b.leases[0].Claim)
			return []backing.Refreshed{{Held: held, Err: err}}, nil
		}
		claims := make([]backing.Claim, len(b.leases))
		for i, l := range b.leases {
			claims[i] = l.Claim
		}
		answers := r.batcher.RefreshAll(ctx, claims)
		if len(answers) != len(claims) {
			return nil, fmt.Errorf("RefreshAll returned %d answers for %d claims; a store must return one for each", len(answers), len(claims))
		}
		return answers, nil
	})
	if err := exit.Err(); err != nil {
		return slices.Repeat([]backing.Refreshed{{Err: err}}, len(b.leases))
	}
	answers, _ := exit.Value()
	return answers
}

// retry schedules another try of a refresh that failed at the instant failed. If the policy
// takes longer to decide than the lease lasts, the lease is lost meanwhile.
func (r *Renewer) retry(l *Lease, err error, failed time.Duration, first bool) {
	delay, ok := l.owner.Failed(err, r.epoch.Add(failed), first)
	if !ok {
		delay = r.Interval
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.step(l, l.term.Retry(delay, failed, r.at(time.Now())))
	r.arm()
}
