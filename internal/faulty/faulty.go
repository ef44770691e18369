// Package faulty is the memory store with faults, which are data. A request may fail before
// or after it is applied, may be slow, may be applied after its sender has left, or may get a
// wrong answer. A wake-up may come late, twice, to the wrong waiter, or never.
//
//	s := faulty.New(faulty.NewMemory(), faulty.All)
//	s.Set(faulty.Nth(faulty.Refresh, 2, faulty.Fault{Err: errLost}))                // applied, and the reply is lost
//	s.Set(faulty.Every(faulty.Release, faulty.Fault{Drop: true, Err: errDown}))     // never applied
//	s.Set(faulty.Nth(faulty.TryAcquire, 1, faulty.Fault{Hang: true}))               // never answered
//	s.Set(faulty.Every(faulty.Enqueue, faulty.Fault{There: time.Second, Late: true})) // applied even if its sender leaves
//
// Time is that of package time, so it is virtual inside a synctest bubble.
package faulty

import (
	"context"
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// Op is an operation of a store.
type Op string

// The operations. Release stands for Backing.Release and for Releaser.ReleaseClaim.
const (
	TryAcquire Op = "tryAcquire"
	Refresh    Op = "refresh"
	RefreshAll Op = "refreshAll"
	Release    Op = "release"
	IsLocked   Op = "isLocked"
	GetHolder  Op = "getHolder"
	Enqueue    Op = "enqueue"
	Pass       Op = "pass"
)

// Request is one call of an operation.
type Request struct {
	Op     Op
	N      int // its number among the requests for this operation, from 1
	Claim  backing.Claim
	Claims []backing.Claim // of RefreshAll
	Next   backing.Claim   // of Pass
}

// Fault is what happens to a request. The zero value is no fault.
type Fault struct {
	// There is how long the request takes to reach the store. If its context ends
	// meanwhile it is never applied, unless it is Late.
	There time.Duration
	Late  bool
	// Drop means that the request is never applied.
	Drop bool
	// Yield makes a Pass yield.
	Yield bool
	// Applied is called once the store has applied the request, before the answer sets out.
	Applied func()
	// Back is how long the answer takes. The sender may leave meanwhile.
	Back time.Duration
	// Hang means that no answer ever comes.
	Hang bool
	// Err is what the sender gets in place of the answer.
	Err error
	// Answer, if it is not nil, is what the sender gets in place of the true answer. It
	// has the type of the operation's answer.
	Answer any
}

// Plan returns what happens to a request. It is called once for each, on the sender's
// goroutine.
type Plan func(Request) Fault

// Every plans the same fault for every request of an operation.
func Every(op Op, f Fault) Plan {
	return func(r Request) Fault {
		if r.Op == op {
			return f
		}
		return Fault{}
	}
}

// Nth plans a fault for one request of an operation, counted from 1 since New.
func Nth(op Op, n int, f Fault) Plan {
	return func(r Request) Fault {
		if r.Op == op && r.N == n {
			return f
		}
		return Fault{}
	}
}

// Waking says when a wake-up arrives: once after each duration in After, so never if it
// is empty. After each duration in Stray another waiter is woken, perhaps one that has left.
type Waking struct{ After, Stray []time.Duration }

// Store is one process's view of a [Memory], which several Stores may share.
type Store struct {
	memory *Memory
	can    Ability

	mu     sync.Mutex
	plan   Plan
	waking func(holder string) Waking
	trace  func(r Request, answer any, err error)
	counts map[Op]int
}

// Ability is a set of abilities beyond the five operations.
type Ability uint8

// The abilities. Five is the empty set: the five operations alone.
const (
	Queues Ability = 1 << iota
	Passes
	Batches
	Reports // reports releases: it is a backing.Releaser

	Five Ability = 0
	All          = Queues | Passes | Batches | Reports
)

// New returns a Store without faults.
func New(m *Memory, can Ability) *Store { return &Store{memory: m, can: can, counts: map[Op]int{}} }

// Set replaces the plan. A nil plan has no faults.
func (s *Store) Set(p Plan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan = p
}

// SetWaking replaces the plan for wake-ups, each of which belongs to a holder. With a nil
// plan they arrive at once.
func (s *Store) SetWaking(waking func(holder string) Waking) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waking = waking
}

// Trace sets a function to be called with each request that was applied or dropped, and its
// true answer. Set it before the first request.
func (s *Store) Trace(to func(r Request, answer any, err error)) { s.trace = to }

// Count returns how many requests there were of the operations, or of all if none is named.
func (s *Store) Count(ops ...Op) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for op, calls := range s.counts {
		if len(ops) == 0 {
			n += calls
		}
		for _, wanted := range ops {
			if op == wanted {
				n += calls
			}
		}
	}
	return n
}

// Memory returns the store without faults.
func (s *Store) Memory() *Memory { return s.memory }

// Abilities implements [backing.Able].
func (s *Store) Abilities() backing.Abilities {
	a := backing.Abilities{Of: s}
	if s.can&Queues != 0 {
		a.Queue = s
	}
	if s.can&Passes != 0 {
		a.Passer = s
	}
	if s.can&Batches != 0 {
		a.Batcher = s
	}
	if s.can&Reports != 0 {
		a.Releaser = s
	}
	return a
}

// begin counts a request and returns what happens to it.
func (s *Store) begin(r *Request) Fault {
	s.mu.Lock()
	s.counts[r.Op]++
	r.N = s.counts[r.Op]
	plan := s.plan
	s.mu.Unlock()
	if plan == nil {
		return Fault{}
	}
	return plan(*r) // without the mutex: the plan may read counts or set another plan
}

// send carries a request to the store, and the answer back.
func send[A any](ctx context.Context, s *Store, r Request, do func(ctx context.Context, f Fault) (A, error)) (A, error) {
	var none A
	if err := ctx.Err(); err != nil {
		return none, err
	}
	f := s.begin(&r)
	type reply struct {
		answer A
		err    error
	}
	apply := func() (to reply) {
		if !f.Drop {
			to.answer, to.err = do(context.WithoutCancel(ctx), f)
		}
		if s.trace != nil {
			s.trace(r, to.answer, to.err)
		}
		if f.Applied != nil {
			f.Applied()
		}
		return to
	}
	var got reply
	if f.Late {
		landed := make(chan reply, 1)
		time.AfterFunc(f.There, func() { landed <- apply() })
		select {
		case got = <-landed:
		case <-ctx.Done():
			return none, context.Cause(ctx)
		}
	} else {
		if pause(ctx, f.There) != nil {
			return none, context.Cause(ctx)
		}
		got = apply()
	}
	if f.Hang {
		<-ctx.Done()
	}
	switch {
	case f.Hang, pause(ctx, f.Back) != nil:
		return none, context.Cause(ctx)
	case f.Err != nil:
		return none, f.Err
	case f.Answer != nil:
		return f.Answer.(A), nil
	}
	return got.answer, got.err
}

// pause waits for d or for the end of the context. No time passes if d is 0.
func pause(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
