package hazards_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// The server has granted the lock when the caller leaves, and the reply is on its
// way. It arrives while the caller is still being waited for, or later.
func TestHazard04_AGrantToOneWhoHasLeftIsGivenBack(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]time.Duration{"the reply comes soon": 60 * time.Millisecond, "the reply comes late": 400 * time.Millisecond} {
		for way, acquire := range acquiring {
			t.Run(name+", "+way, func(t *testing.T) {
				t.Parallel()
				s := newTrainedStore(t)
				network, b := s.distant(t)
				connect(t, b)
				network.Delay(late)
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				ended := make(chan error, 1)
				m := newMutex(t, b, key, mutex.Config{TTL: long})
				go func() {
					_, err := acquire(m, func(ctx context.Context) (effect.Void, error) {
						<-ctx.Done()
						return effect.Void{}, ctx.Err()
					})(ctx)
					ended <- err
				}()
				eventually(t, func() bool { return s.ttl(t, key) > 0 }, "the server grants it")
				leave()
				select {
				case err := <-ended:
					assert.ErrorIs(t, err, context.Canceled)
				case <-time.After(cleaning):
					require.Fail(t, "has not ended")
				}
				s.isFree(t, soon)
			})
		}
	}
}

// attempts are the ways to acquire under a context that may end: they call held
// while they have the lock, with its holder's id if they know it, and else missed,
// with the scope of the lock still open.
var attempts = map[string]func(ctx context.Context, m *mutex.Mutex, held func(holder string), missed func(error)) error{
	"WithLock": func(ctx context.Context, m *mutex.Mutex, held func(string), missed func(error)) error {
		if _, err := mutex.WithLock(m, holding(held))(ctx); err != nil {
			missed(err)
		}
		return nil
	},
	"WithLockIfAvailable": func(ctx context.Context, m *mutex.Mutex, held func(string), missed func(error)) error {
		if _, err := mutex.WithLockIfAvailable(m, holding(held))(ctx); err != nil {
			missed(err)
		}
		return nil
	},
	"Acquire": func(ctx context.Context, m *mutex.Mutex, held func(string), missed func(error)) error {
		_, err := effect.Run(context.WithoutCancel(ctx), effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
			return func(context.Context) (effect.Void, error) {
				if lock, err := m.Acquire(s)(ctx); err != nil {
					missed(err)
				} else {
					held(lock.HolderID())
				}
				return effect.Void{}, nil
			}
		}))
		return err
	},
	"TryAcquire": func(ctx context.Context, m *mutex.Mutex, held func(string), missed func(error)) error {
		_, err := effect.Run(context.WithoutCancel(ctx), effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
			return func(context.Context) (effect.Void, error) {
				lock, err := m.TryAcquire(s)(ctx)
				if k, ok := option.Unwrap(lock); ok {
					held(k.HolderID())
				} else {
					missed(err)
				}
				return effect.Void{}, nil
			}
		}))
		return err
	},
}

// holding is work that does no more than to tell who has the lock.
func holding(held func(holder string)) effect.Effect[effect.Void] {
	return func(ctx context.Context) (effect.Void, error) {
		lock, _ := mutex.FromContext(ctx)
		held(lock.HolderID())
		return effect.Void{}, nil
	}
}

// Callers leave at about the moment at which they are granted their locks. Either
// one knows that it has the lock, or nobody has it.
func TestHazard04_ALockIsHeldByOneWhoKnowsItOrByNobody(t *testing.T) {
	t.Parallel()
	const callers = 200
	s := newTrainedStore(t)
	b := s.process(t)
	connect(t, b)
	for way, attempt := range attempts {
		t.Run(way, func(t *testing.T) {
			// The first time nobody leaves, to see how long they take.
			trial := func(name string, longest time.Duration) (held, missed int32, took time.Duration) {
				var has, hasNot atomic.Int32
				var running sync.WaitGroup
				began := time.Now()
				for i := range callers {
					key := fmt.Sprint(way, name, i)
					m := newMutex(t, b, key, mutex.Config{TTL: long})
					running.Go(func() {
						ctx, leave := context.WithCancel(t.Context())
						defer leave()
						if longest > 0 {
							defer time.AfterFunc(rand.N(longest), leave).Stop()
						}
						err := attempt(ctx, m, func(holder string) {
							has.Add(1)
							found, err := s.direct.Get(t.Context(), "dmutex:"+key).Result()
							assert.NoError(t, err)
							assert.Equal(t, holder, found)
						}, func(err error) {
							hasNot.Add(1)
							assert.ErrorIs(t, err, context.Canceled)
							assert.True(t, s.frees(key, soon), "nobody knows that it holds %s", key)
						})
						assert.NoError(t, err)
					})
				}
				running.Wait()
				return has.Load(), hasNot.Load(), time.Since(began)
			}
			held, missed, took := trial("calm", 0)
			require.EqualValues(t, callers, held)
			require.Zero(t, missed)

			// A machine that is busy may be so for one trial only: then all leave, or none.
			held = 0
			for round := 0; held == 0 || missed == 0; round++ {
				require.Less(t, round, 10, "no trial")
				held, missed, _ = trial(fmt.Sprint("hasty", round), took)
				assert.EqualValues(t, callers, held+missed)
				if s.isFree(t, soon); missed == 0 {
					took /= 2
				} else {
					took *= 2
				}
			}
		})
	}
}

// frees tells whether nobody has the lock of key, by the limit at the latest.
func (s store) frees(key string, limit time.Duration) bool {
	for give := time.Now().Add(limit); ; time.Sleep(look) {
		if n, err := s.direct.Exists(context.Background(), "dmutex:"+key).Result(); err == nil && n == 0 {
			return true
		}
		if time.Now().After(give) {
			return false
		}
	}
}
