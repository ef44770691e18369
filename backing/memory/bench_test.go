package memory_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// One holder over and over: the price of the two operations alone.
func BenchmarkAcquireRelease(b *testing.B) {
	ctx, m := context.Background(), memory.New()
	c := backing.Claim{Key: "k", Holder: "h", TTL: 30 * time.Second}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = m.TryAcquire(ctx, c)
		_, _ = m.Release(ctx, c.Key, c.Holder)
	}
}

// A holder of its own for each grant, as the mutex does it, so that every
// release is remembered: the worst case for memory.
func BenchmarkAcquireReleaseUniqueHolders(b *testing.B) {
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
		c := backing.Claim{Holder: "h", TTL: 30 * time.Second}
		c.Key = strconv.FormatUint(uint64(time.Now().UnixNano()), 36)
		for pb.Next() {
			_, _ = m.TryAcquire(ctx, c)
			_, _ = m.Release(ctx, c.Key, c.Holder)
		}
	})
}

// Two who take turns: each release gives the key to the other, who waits.
func BenchmarkHandover(b *testing.B) {
	ctx, m := context.Background(), memory.New()
	w := [2]backing.Waiter{}
	for i, holder := range []string{"a", "b"} {
		w[i] = backing.Waiter{
			Claim:   backing.Claim{Key: "k", Holder: holder, TTL: 30 * time.Second},
			Granted: func(backing.Handed) {},
		}
	}
	_, _ = m.TryAcquire(ctx, w[0].Claim)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_, _ = m.Enqueue(ctx, w[(i+1)%2])
		_, _ = m.Release(ctx, "k", w[i%2].Holder)
	}
}
