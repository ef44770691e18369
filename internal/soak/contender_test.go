package soak_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// mode is how a lock is asked for.
type mode uint8

const (
	withLock mode = iota
	withLockInTime
	ifAvailable
	inScope
	tryInScope
)

// patient reports whether who asks so waits until it has the lock.
func (m mode) patient() bool { return m == withLock || m == inScope }

// outcome is how an attempt ended.
type outcome uint8

const (
	underWay   outcome = iota // for ever, if its process was killed
	orderly                   // the lock was acquired and released
	kept                      // likewise, and is held all the same
	missed                    // the lock was not free for one who would not wait
	cancelled                 // the caller left
	unanswered                // the store failed
	expired
	gone
	taken
)

// lost reports whether the mutex said that the lock was lost.
func (o outcome) lost() bool { return o >= expired }

var (
	errWork  = errors.New("the work failed")
	workDied = "the work panicked"
)

// contender is a goroutine that asks for one lock after the other.
type contender struct {
	*worker
	random *rand.Rand
	zipf   *rand.Zipf
	now    record // the attempt under way
	holder string // of the last that had the lock
}

func newContender(w *worker, n uint16, r *rand.Rand) *contender {
	return &contender{worker: w, random: r, zipf: rand.NewZipf(r, 1.1, 1, keptLong-1), now: record{Kind: tried, Goroutine: n}}
}

func (c *contender) run() {
	for c.running.Err() == nil {
		time.Sleep(time.Duration(c.random.IntN(8)) * time.Millisecond)
		c.attempt(c.key())
		c.operations.Add(1)
	}
}

// key is a lock to ask for. Some fight over the same few, and wait most of the time;
// others see to it that something is done meanwhile. One of each process is nearly
// always inside, at keys that are for those alone, for faults to find.
func (c *contender) key() uint16 {
	switch {
	case c.now.Goroutine == 0:
		return uint16(keptLong + c.random.IntN(locksShared-keptLong))
	case c.now.Goroutine%2 == 1:
		return uint16(8 + c.random.IntN(keptLong-8))
	default:
		return uint16(c.zipf.Uint64())
	}
}

// attempt asks for the lock once. The mutex is made anew for it, as a server would
// for a request.
func (c *contender) attempt(key uint16) {
	ttl := time.Duration(1+c.random.IntN(3)) * time.Second
	c.now = record{
		Kind: tried, Goroutine: c.now.Goroutine, Number: c.now.Number + 1,
		Key: key, TTL: uint16(ttl.Milliseconds()), Mode: c.mode(), Want: clock(),
	}
	c.journal.lay(c.now)
	lost := &atomic.Int64{} // of this attempt, which may be over when the observer hears of it
	m, err := mutex.New(c.backing, lockOf(key), mutex.Config{TTL: ttl, Observer: func(e mutex.Event) {
		c.events[e.Kind].Add(1)
		if e.Kind == mutex.Lost {
			lost.Store(int64(clock()))
		}
	}})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	if c.now.Mode == withLockInTime {
		inTime, cancel := context.WithTimeout(ctx, time.Duration(1+c.random.IntN(300))*time.Millisecond)
		defer cancel()
		ctx = inTime
	}
	err = effect.RunExit(ctx, c.asks(m)).Err()
	c.now.Done, c.now.Outcome, c.now.Lost = clock(), c.judge(err), instant(lost.Load())
	if c.now.Outcome == orderly && c.now.Number%10 == 0 && c.holds(m) {
		c.now.Outcome = kept
	}
	c.journal.add(c.now)
}

// holds reports whether the lock is still held under the id of the one who had it
// last, which nobody else uses.
func (c *contender) holds(m *mutex.Mutex) bool {
	brief, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	holder, err := m.Holder(brief)
	return err == nil && holder == option.Some(c.holder)
}

func lockOf(key uint16) string { return fmt.Sprintf("soak-%d", key) }

func (c *contender) mode() mode {
	switch n := c.random.IntN(20); {
	case n < 9:
		return withLock
	case n < 11:
		return withLockInTime
	case n < 14:
		return ifAvailable
	case n < 18:
		return inScope
	default:
		return tryInScope
	}
}

// asks is the attempt as an effect.
func (c *contender) asks(m *mutex.Mutex) effect.Effect[effect.Void] {
	work := func(ctx context.Context) (effect.Void, error) {
		lock, ok := mutex.FromContext(ctx)
		if !ok {
			wrong("no lock in the context of work under a lock")
			return effect.Void{}, nil
		}
		return effect.Void{}, c.inside(ctx, lock)
	}
	switch c.now.Mode {
	case ifAvailable:
		return effect.Map(func(option.Option[effect.Void]) effect.Void { return effect.Void{} })(mutex.WithLockIfAvailable(m, work))
	case inScope:
		return effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
			return effect.FlatMap(c.watched)(m.Acquire(s))
		})
	case tryInScope:
		return effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
			return effect.FlatMap(option.Fold(func() effect.Effect[effect.Void] { return effect.Succeed(effect.Void{}) }, c.watched))(m.TryAcquire(s))
		})
	case withLock, withLockInTime:
	}
	return mutex.WithLock(m, work)
}

// watched is the work under a lock that a scope holds: it ends if the lock is lost.
func (c *contender) watched(lock *mutex.KeepAlive) effect.Effect[effect.Void] {
	return effect.RaceFirst(
		func(ctx context.Context) (effect.Void, error) { return effect.Void{}, c.inside(ctx, lock) },
		effect.Absurd[effect.Void](lock.Join()),
	)
}

// inside is the section: between the reading of the counter and its writing a
// second holder would do its damage.
func (c *contender) inside(ctx context.Context, lock *mutex.KeepAlive) error {
	c.now.Token, c.holder, c.now.Enter = lock.Token(), lock.HolderID(), clock()
	c.now.Holder = hashed(c.holder)
	c.journal.lay(c.now)
	defer func() {
		c.now.Leave = clock()
		c.journal.lay(c.now)
	}()
	n, err := c.counters.get(c.now.Key)
	if err != nil {
		wrong("reading a counter: %v", err)
		return err
	}
	pause := time.NewTimer(c.length())
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-c.running.Done():
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.now.Writing = true
	c.journal.lay(c.now)
	c.now.Wrote, err = c.counters.set(c.now.Key, n+1, c.now.Token)
	c.now.Refused = err == nil && !c.now.Wrote
	switch chance := c.random.IntN(100); {
	case err != nil:
		wrong("writing a counter: %v", err)
		return err
	case chance < 5:
		return errWork
	case chance < 6:
		panic(workDied)
	}
	return nil
}

// hashed is what a record has of a holder's id.
func hashed(holder string) uint64 {
	sum := sha256.Sum256([]byte(holder))
	return binary.LittleEndian.Uint64(sum[:])
}

// length is how long to stay inside: mostly a moment, sometimes longer than the
// lease, but not where many wait.
func (c *contender) length() time.Duration {
	switch chance := c.random.IntN(100); {
	case c.now.Key >= keptLong:
		return time.Duration(int(c.now.TTL)+c.random.IntN(4*int(c.now.TTL))) * time.Millisecond
	case chance < 1 && c.now.Key >= 4:
		return time.Duration(c.random.IntN(2*int(c.now.TTL))) * time.Millisecond
	case chance < 10:
		return time.Duration(c.random.IntN(40)) * time.Millisecond
	default:
		return time.Duration(c.random.IntN(3000)) * time.Microsecond
	}
}

// judge tells how the attempt ended that ended with err.
func (c *contender) judge(err error) outcome {
	if lost, ok := errors.AsType[*mutex.LockLostError](err); ok {
		return map[mutex.LossReason]outcome{mutex.Expired: expired, mutex.Gone: gone, mutex.Taken: taken}[lost.Reason]
	}
	died, _ := errors.AsType[*effect.Defect](err)
	_, failed := errors.AsType[*mutex.MutexBackingError](err)
	switch {
	case failed:
		return unanswered
	case died != nil && died.Value == workDied, errors.Is(err, errWork):
		return orderly
	case err == nil && c.now.Enter == 0:
		return missed
	case err == nil:
		return orderly
	case c.now.Mode == withLockInTime && errors.Is(err, context.DeadlineExceeded):
		return cancelled
	}
	wrong("an attempt ended with %v", err)
	return unanswered
}
