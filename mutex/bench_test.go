package mutex_test

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// BenchmarkWithLock is the price of an uncontended lock on the memory backing.
// The library's overhead is the difference from BenchmarkByHand, which has the same
// calls and guarantees in plain Go; BenchmarkStoreCalls is the floor.
func BenchmarkWithLock(b *testing.B) {
	m, err := mutex.New(memory.New(), "bench", mutex.Config{})
	if err != nil {
		b.Fatal(err)
	}
	locked := mutex.WithLock(m, effect.Succeed(1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := locked(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkByHand(b *testing.B) {
	store := memory.New()
	work := effect.Succeed(1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := byHand(context.Background(), store, work); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStoreCalls(b *testing.B) {
	store := memory.New()
	b.ReportAllocs()
	for b.Loop() {
		ctx := context.Background()
		c := backing.Claim{Key: "bench", Holder: rand.Text(), TTL: 30 * time.Second}
		_, _ = store.TryAcquire(ctx, c)
		_, _ = store.Release(ctx, c.Key, c.Holder)
	}
}

// byHand is what a careful engineer writes without the library: a bounded request
// to acquire, a goroutine that refreshes, a timer that cancels the work at the
// deadline, and a bounded request to release.
func byHand(ctx context.Context, store backing.Backing, work func(context.Context) (int, error)) (int, error) {
	c := backing.Claim{Key: "bench", Holder: rand.Text(), TTL: 30 * time.Second}
	start := time.Now()
	asking, asked := context.WithTimeout(ctx, 2*time.Second)
	grant, err := store.TryAcquire(asking, c)
	asked()
	if err != nil {
		return 0, err
	}
	if option.IsNone(grant) {
		return 0, errors.New("not free")
	}

	held, lose := context.WithCancelCause(ctx)
	expire := time.AfterFunc(time.Until(start.Add(c.TTL)), func() { lose(errors.New("expired")) })
	refreshing, stop := context.WithCancel(context.WithoutCancel(ctx))
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(c.TTL / 3)
		defer tick.Stop()
		for {
			select {
			case <-refreshing.Done():
				return
			case start := <-tick.C:
				if ours, err := store.Refresh(refreshing, c); err == nil && ours {
					expire.Reset(time.Until(start.Add(c.TTL)))
				} else if err == nil {
					lose(errors.New("gone"))
				}
			}
		}
	}()
	defer func() {
		stop()
		<-stopped
		expire.Stop()
		lose(nil)
		releasing, released := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer released()
		_, _ = store.Release(releasing, c.Key, c.Holder)
	}()
	a, err := work(held)
	if lost := context.Cause(held); lost != nil {
		return a, lost
	}
	return a, err
}
