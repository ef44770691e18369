package memory_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// Each grant has a holder of its own, as with the mutex.
func BenchmarkAcquireRelease(b *testing.B) {
	ctx, m := context.Background(), memory.New()
	c := backing.Claim{Key: "k", TTL: 30 * time.Second}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.Holder = strconv.Itoa(i)
		_, _ = m.TryAcquire(ctx, c)
		_, _ = m.Release(ctx, c.Key, c.Holder)
	}
}

func BenchmarkAcquireReleaseParallelKeys(b *testing.B) {
	ctx, m := context.Background(), memory.New()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		c := backing.Claim{TTL: 30 * time.Second, Key: strconv.FormatInt(time.Now().UnixNano(), 36)}
		for i := 0; pb.Next(); i++ {
			c.Holder = strconv.Itoa(i)
			_, _ = m.TryAcquire(ctx, c)
			_, _ = m.Release(ctx, c.Key, c.Holder)
		}
	})
}

// Each release gives the key to the one waiter.
func BenchmarkHandover(b *testing.B) {
	ctx, m := context.Background(), memory.New()
	next := backing.Waiter{Claim: backing.Claim{Key: "k", Holder: "0", TTL: 30 * time.Second}, Wake: func() {}}
	_, _ = m.TryAcquire(ctx, next.Claim)
	b.ReportAllocs()
	for i := 1; b.Loop(); i++ {
		before := next.Holder
		next.Holder = strconv.Itoa(i)
		_, _ = m.Enqueue(ctx, next)
		_, _ = m.Release(ctx, "k", before)
		_, _ = m.Enqueue(ctx, next)
	}
}
