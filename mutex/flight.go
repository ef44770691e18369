package mutex

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
)

// flight is a request under way for some leases.
type flight struct {
	// start is when the flight departed, and so a little before its request is sent.
	// What departs together is due together next time: then it takes one step
	// each to note that, in whatever order the answers come.
	start  time.Time
	leases []*lease
	wanted int // how many of them still want its answer
	cancel context.CancelFunc
	ctx    context.Context
	watch  *time.Timer // fires when the first of their leases ends; under the keeper's mutex
	over   bool        // likewise
}

// depart takes the first leases of a roster that are about due onto a flight, nil
// if there are none.
func (k *keeper) depart(r *roster, now time.Time) *flight {
	f, by, most := &flight{start: now}, now.Add(k.slack()), 1
	if k.batcher != nil {
		most = maxBatch
	}
	for len(f.leases) < most {
		l, due := r.next()
		if l == nil || by.Before(due) {
			break
		}
		l.strike()
		if l.stopping {
			k.add(&k.doomed, l, l.until())
			continue
		}
		l.flight = f
		f.leases = append(f.leases, l)
	}
	if len(f.leases) == 0 {
		return nil
	}
	f.wanted = len(f.leases)
	f.ctx, f.cancel = context.WithTimeout(context.Background(), k.timeout)
	return f
}

// refresh flies.
func (k *keeper) refresh(f *flight) {
	defer f.cancel()
	now := time.Now()
	f.leases = slices.DeleteFunc(f.leases, func(l *lease) bool { return !now.Before(l.until()) && k.expired(l, f, now) })
	if len(f.leases) == 0 {
		return
	}
	k.watch(f)
	answers := k.answers(f)
	k.watched(f)
	landed := time.Now()
	for i, answer := range answers {
		k.arrive(f.leases[i], f, answer, landed)
	}
}

// watch ends each lease of the flight whose deadline passes meanwhile, whether
// the store heeds its context or not. The others fly on.
func (k *keeper) watch(f *flight) {
	now := time.Now()
	var first time.Time
	for _, l := range f.leases {
		switch until := l.until(); {
		case !now.Before(until):
			_ = k.expired(l, f, now)
		case first.IsZero() || until.Before(first):
			first = until
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case f.over || first.IsZero():
	case f.watch == nil:
		f.watch = time.AfterFunc(first.Sub(now), func() { k.watch(f) })
	default:
		f.watch.Reset(first.Sub(now))
	}
}

func (k *keeper) watched(f *flight) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f.over = true
	if f.watch != nil {
		f.watch.Stop()
	}
}

// expired ends a lease on a flight whose deadline has passed.
func (k *keeper) expired(l *lease, f *flight, now time.Time) bool {
	lost := l.lossBy(now)
	if lost != nil && k.land(l, f) {
		l.fiber.End(nil, lost)
	}
	return lost != nil
}

// land takes a lease off a flight, once.
func (k *keeper) land(l *lease, f *flight) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l.flight != f {
		return false
	}
	l.flight = nil
	if !l.stopping {
		f.unwanted()
	}
	return true
}

// unwanted notes that one lease less waits for the answer.
func (f *flight) unwanted() {
	if f.wanted--; f.wanted == 0 {
		f.cancel()
	}
}

// answers is one for each lease, whatever the store does: a panic of its is a
// failure, for nobody is there to take it.
func (k *keeper) answers(f *flight) []backing.Refreshed {
	exit := effect.RunExit(f.ctx, func(context.Context) ([]backing.Refreshed, error) { return k.send(f), nil })
	answers, _ := exit.Value()
	if exit.Err() == nil && len(answers) == len(f.leases) {
		return answers
	}
	err := exit.Err()
	if err == nil {
		err = fmt.Errorf("RefreshAll gave %d answers for %d claims", len(answers), len(f.leases))
	}
	answers = make([]backing.Refreshed, len(f.leases))
	for i := range answers {
		answers[i].Err = err
	}
	return answers
}

func (k *keeper) send(f *flight) []backing.Refreshed {
	if len(f.leases) == 1 {
		held, err := k.store.Refresh(f.ctx, f.leases[0].claim)
		return []backing.Refreshed{{Held: held, Err: err}}
	}
	claims := make([]backing.Claim, len(f.leases))
	for i, l := range f.leases {
		claims[i] = l.claim
	}
	return k.batcher.RefreshAll(f.ctx, claims)
}

// arrive applies the answer to a refresh, which came at landed. Neither the observer nor
// the policy runs here, because the other leases of the flight would wait for it.
func (k *keeper) arrive(l *lease, f *flight, answer backing.Refreshed, landed time.Time) {
	switch {
	case answer.Held && answer.Err == nil && l.extend(f.start, landed) == nil:
		k.continueAt(l, f, &k.healthy, f.start.Add(k.interval))
	case k.expired(l, f, landed): // whatever the answer is, it is too late
	case answer.Err != nil && k.isStopping(l):
		k.continueAt(l, f, &k.healthy, f.start.Add(k.interval))
	case answer.Err != nil:
		go k.untilDeadline(l, f, func() { // the policy may be slow
			k.continueAt(l, f, &k.ailing, l.failed(answer.Err, f, landed))
		})
	default:
		go k.untilDeadline(l, f, func() { // the store is asked for the reason
			lost := l.lose(l.whoHasIt())
			if k.land(l, f) {
				l.fiber.End(nil, lost)
			}
		})
	}
}

// untilDeadline calls do, which may take long. If the deadline of the lease passes
// meanwhile, it ends the lease.
func (k *keeper) untilDeadline(l *lease, f *flight, do func()) {
	deadline := time.AfterFunc(time.Until(l.until()), func() { _ = k.expired(l, f, time.Now()) })
	defer deadline.Stop()
	do()
}

// continueAt takes the lease off its flight, to be refreshed next when it is due.
func (k *keeper) continueAt(l *lease, f *flight, next *roster, due time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case l.flight != f: // it has ended
	case l.stopping:
		l.flight = nil
		k.add(&k.doomed, l, l.until())
		l.fiber.Stopped()
	default:
		l.flight = nil
		k.add(next, l, due)
	}
}
