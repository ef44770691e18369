package histories_test

import (
	"context"
	"errors"
	"time"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// section is the work of one attempt.
type section struct {
	*client
	attempt int
	key     string
	holder  string
	token   uint64
}

// work writes to the register, stays for a while, and writes again: most often for
// a moment, at times for longer than a lease. It looks at its context meanwhile, as
// work should, but not while it writes: a write takes as long as the network makes
// it, and some begin when the lock has been lost.
func (s *section) work(ctx context.Context) (none effect.Void, err error) {
	lock, _ := mutex.FromContext(ctx)
	s.holder, s.token = lock.HolderID(), lock.Token()
	s.log.add(line{Kind: "entered", Attempt: s.attempt, Token: s.token, At: now(), Until: s.ledger.end(s.holder)})
	if s.oneIn(2) {
		s.write()
	}
	stay := s.upTo(time.Millisecond)
	switch {
	case s.lingers(), s.oneIn(100):
		stay = s.upTo(2 * s.TTL)
	case s.oneIn(10):
		stay = s.upTo(15 * time.Millisecond)
	}
	cancelled, overdue := s.stay(ctx, stay)
	if cancelled != 0 || s.oneIn(2) {
		s.write()
	}
	left := now()
	_, told := errors.AsType[*mutex.LockLostError](context.Cause(ctx))
	s.log.add(line{
		Kind: "left", Attempt: s.attempt, At: left, Until: s.ledger.end(s.holder),
		Cancelled: cancelled, Told: cancelled != 0 && told, Overdue: overdue,
	})
	if cancelled != 0 {
		err = ctx.Err()
	}
	return none, err
}

// stay looks at the context once a millisecond. It returns when it saw its end, and
// how often in a row it saw it live though the lease had ended.
func (s *section) stay(ctx context.Context, d time.Duration) (cancelled instant, overdue int) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for end, looks := now().add(d), 0; ; {
		select {
		case <-ctx.Done():
			return now(), overdue
		case <-pause.C:
		}
		t := now()
		if looks++; t < s.ledger.end(s.holder) {
			looks = 0
		}
		overdue = max(overdue, looks)
		// Who is overdue stays for longer, to see whether it is told at all.
		if t >= end && (looks == 0 || looks > enoughLooks) {
			return 0, overdue
		}
		wait := time.Millisecond
		if left := end.since(t); left > 0 {
			wait = min(wait, left)
		}
		pause.Reset(wait)
	}
}

func (s *section) write() {
	value := s.Number*1_000_000 + int(s.values.Add(1))
	s.log.add(line{Kind: "write", Client: s.number, Key: s.key, Value: value, Token: s.token, At: now()})
	accepted, before, err := s.register.write(context.Background(), s.key, version{s.token, value})
	if err == nil {
		s.log.add(line{Kind: "written", Value: value, Accepted: accepted, Before: before, At: now()})
	}
}
