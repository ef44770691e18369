package redis_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

// BenchmarkAcquireAndRelease compares the library with what everybody writes by hand. On
// one processor (GOMAXPROCS=1, taskset) it shows what the library itself costs.
func BenchmarkAcquireAndRelease(b *testing.B) {
	for name, pair := range map[string]func(*goredis.Client) func(ctx context.Context, key, holder string) error{
		"by hand": func(c *goredis.Client) func(context.Context, string, string) error {
			return func(ctx context.Context, key, holder string) error {
				if err := c.SetNX(ctx, key, holder, lease).Err(); err != nil {
					return err
				}
				return unlock.Run(ctx, c, []string{key}, holder).Err()
			}
		},
		"backing": func(c *goredis.Client) func(context.Context, string, string) error {
			locks := redis.New(c)
			return func(ctx context.Context, key, holder string) error {
				if _, err := locks.TryAcquire(ctx, claim(key, holder)); err != nil {
					return err
				}
				_, err := locks.Release(ctx, key, holder)
				return err
			}
		},
	} {
		for _, goroutines := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s, %d goroutines", name, goroutines), func(b *testing.B) {
				c := redistest.Start(b).Client(b)
				use := pair(c)
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				require.NoError(b, use(ctx, "warm", "up"))
				b.ReportAllocs()
				b.ResetTimer()
				var all sync.WaitGroup
				for g := range goroutines {
					all.Go(func() {
						key := fmt.Sprint("k", g)
						for range (b.N + goroutines - 1) / goroutines {
							if err := use(ctx, key, "a holder's id of 26 bytes."); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				all.Wait()
			})
		}
	}
}

// BenchmarkRefreshAll refreshes a thousand leases.
func BenchmarkRefreshAll(b *testing.B) {
	locks := redis.New(redistest.Start(b).Client(b))
	claims := make([]backing.Claim, 1000)
	for i := range claims {
		claims[i] = claim(fmt.Sprint("k", i), "a holder's id of 26 bytes.")
		_, err := locks.TryAcquire(b.Context(), claims[i])
		require.NoError(b, err)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range locks.RefreshAll(b.Context(), claims) {
			require.NoError(b, r.Err)
		}
	}
}
