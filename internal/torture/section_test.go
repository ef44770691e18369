package torture_test

import (
	"context"
	"errors"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// section is the work of one attempt.
type section struct {
	*client
	attempt
	read, wrote int // the count that it read, and its own increments
	counts      bool
}

func (s *section) note() {
	a := s.attempt
	s.journal.add(line{Attempt: &a})
}

// asks returns the attempt as an effect.
func (s *section) asks(m *mutex.Mutex) effect.Effect[effect.Void] {
	work := func(ctx context.Context) (effect.Void, error) {
		lock, ok := mutex.FromContext(ctx)
		if !ok {
			s.say("wrong", "no lock in the context of work under a lock")
			return effect.Void{}, nil
		}
		return effect.Void{}, s.work(ctx, lock)
	}
	switch s.Mode {
	case ifAvailable:
		return effect.Map(func(option.Option[effect.Void]) effect.Void { return effect.Void{} })(mutex.WithLockIfAvailable(m, work))
	case inScope:
		return effect.Scoped(func(scope *effect.Scope) effect.Effect[effect.Void] {
			return effect.FlatMap(s.watched)(m.Acquire(scope))
		})
	case tryInScope:
		return effect.Scoped(func(scope *effect.Scope) effect.Effect[effect.Void] {
			return effect.FlatMap(option.Fold(func() effect.Effect[effect.Void] { return effect.Succeed(effect.Void{}) }, s.watched))(m.TryAcquire(scope))
		})
	default:
		return mutex.WithLock(m, work)
	}
}

// watched runs work under a lock that a scope holds: the work ends if the lock is lost.
func (s *section) watched(lock *mutex.KeepAlive) effect.Effect[effect.Void] {
	return effect.RaceFirst(
		func(ctx context.Context) (effect.Void, error) { return effect.Void{}, s.work(ctx, lock) },
		effect.Absurd[effect.Void](lock.Join()),
	)
}

// work writes to the register, stays for a while, and writes again. It checks its context
// meanwhile, as work should, but not while it writes: a write takes as long as the network
// makes it, and some begin after the lock has been lost. Some work never checks.
func (s *section) work(ctx context.Context, lock *mutex.KeepAlive) error {
	s.Entered, s.Holder, s.Token = now(), lock.HolderID(), lock.Token()
	s.Until, s.Blind = s.ledger.end(s.Holder), s.oneIn(10)
	s.note()
	defer func() {
		s.Left, s.Until = now(), s.ledger.end(s.Holder)
		s.note()
	}()
	if !s.Work.Bare {
		var err error
		s.read, err = s.register.count(context.Background(), s.Key)
		s.counts = err == nil
	}
	if s.Work.PerWrite > 0 && s.oneIn(s.Work.PerWrite) {
		s.write()
	}
	s.stay(ctx, s.length(s.TTL))
	if s.Cancelled != 0 {
		_, lostIt := errors.AsType[*mutex.LockLostError](context.Cause(ctx))
		s.Notified = lostIt
		if s.Work.PerWrite > 0 && s.Notified {
			s.write() // like work that does not check
		}
		return ctx.Err()
	}
	s.write()
	switch chance := s.random.IntN(100); {
	case s.Work.Bare:
	case chance < 5:
		return errWork
	case chance < 6:
		panic(workDied)
	}
	return nil
}

const (
	// look is how often work checks its context.
	look = 2 * time.Millisecond

	// enoughLooks is how often work may see its context live after its lease has ended.
	// Looks are counted rather than time: a process that does not run does not look either.
	// But on a busy machine one thread of a process may look while another, which is to end
	// the context, waits for its turn. So the number is high. Usually it takes one look.
	enoughLooks = 200
)

// enoughLooks is higher for work under a lock that a scope holds: timers and goroutines end
// its context, whereas the context of WithLock also checks the clock.
func (m mode) enoughLooks() int {
	if m == inScope || m == tryInScope {
		return 5 * enoughLooks
	}
	return enoughLooks
}

// stay returns after d, or when the context ends. Work that sees its context live after its
// lease has ended stays longer, to see whether the context ends at all.
func (s *section) stay(ctx context.Context, d time.Duration) {
	end, looks := now().add(d), 0
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		ended := ctx.Done()
		if s.Blind {
			ended = nil
		}
		select {
		case <-ended:
			s.Cancelled = now()
			return
		case <-pause.C:
		}
		t := now()
		if !s.Blind {
			if ctx.Err() != nil {
				s.Cancelled = now()
				return
			}
			if s.Mode != inScope && s.Mode != tryInScope {
				s.Seen = t
			}
			if looks++; t < s.ledger.end(s.Holder) {
				looks = 0
			}
			s.Overdue = max(s.Overdue, looks)
		}
		if (t >= end || s.parent.Running().Err() != nil) && (looks == 0 || looks > s.Mode.enoughLooks()) {
			return
		}
		wait := look
		if left := end.since(t); left > 0 {
			wait = min(wait, left)
		}
		pause.Reset(wait)
	}
}

// write increments the count in the register.
func (s *section) write() {
	if !s.counts {
		return
	}
	w := write{Process: s.Process, Client: s.Client, Attempt: s.Number, Key: s.Key, Called: now(), Version: version{
		Token: s.Token, Value: s.worker.Number*1_000_000_000 + int(s.values.Add(1)), Count: s.read + s.wrote + 1,
	}}
	s.journal.add(line{Write: &w})
	accepted, before, err := s.register.write(context.Background(), s.Key, w.Version)
	if err == nil {
		answered := w
		answered.Accepted, answered.Before, answered.Returned = accepted, before, now()
		s.journal.add(line{Write: &answered})
		if accepted {
			s.wrote++
		}
	}
}
