package hazards_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
	"github.com/effectlock/effectlock/schedule"
)

// What the server refuses is an error of the backing in every operation, never an
// answer, and changes nothing.
func TestHazard31_AServerThatRefusesIsAnErrorInEveryOperation(t *testing.T) {
	t.Parallel()
	eachRefusal(t, func(t *testing.T, r refusal, w *refusing) {
		b, ctx := w.b, context.WithoutCancel(t.Context())
		claim := func(key, holder string) backing.Claim { return backing.Claim{Key: key, Holder: holder, TTL: long} }
		waits := func(key, holder string) backing.Waiter {
			return backing.Waiter{Claim: claim(key, holder), Wake: func() {}}
		}
		for _, k := range []string{"held", "other", "passed", "released"} {
			grant, err := b.TryAcquire(ctx, claim(k, "a"))
			require.NoError(t, err)
			require.True(t, option.IsSome(grant))
		}
		operations := map[string]func() (answered bool, err error){
			"tryAcquire": func() (bool, error) { return took(b.TryAcquire(ctx, claim("free", "b"))) },
			"enqueue": func() (bool, error) {
				outcome, err := b.Enqueue(ctx, waits("free", "b"))
				return outcome != nil, err
			},
			"enqueue behind another": func() (bool, error) {
				outcome, err := b.Enqueue(ctx, waits("held", "b"))
				return outcome != nil, err
			},
			"pass": func() (bool, error) {
				outcome, err := b.Pass(ctx, claim("passed", "a"), waits("passed", "b"), false)
				return isGranted(outcome), err
			},
			"refresh": func() (bool, error) { return b.Refresh(ctx, claim("held", "a")) },
			"refreshAll": func() (bool, error) {
				all := b.RefreshAll(ctx, []backing.Claim{claim("held", "a"), claim("other", "a")})
				assert.Equal(t, all[0].Held, all[1].Held)
				assert.Equal(t, all[0].Err == nil, all[1].Err == nil)
				return all[0].Held, all[0].Err
			},
			"release":   func() (bool, error) { return b.Release(ctx, "released", "a") },
			"isLocked":  func() (bool, error) { return b.IsLocked(ctx, "held") },
			"getHolder": func() (bool, error) { who, err := b.GetHolder(ctx, "held"); return option.IsSome(who), err },
		}
		ends := r.begins(t, w)
		for name, operation := range operations {
			answered, err := operation()
			for r.closes && errors.Is(err, io.EOF) {
				answered, err = operation()
			}
			if r.allows(name) {
				assert.NoError(t, err, name)
				assert.True(t, answered, name)
				continue
			}
			r.assertSaid(t, err)
			assert.False(t, answered, name)
		}
		ends()
		holders := map[string]string{"held": "a", "other": "a", "passed": "a", "released": "a", "free": ""}
		if r.allows("pass") {
			holders["passed"] = "b"
		}
		if r.allows("release") {
			holders["released"] = ""
		}
		for k, want := range holders {
			assert.Equal(t, want, w.direct.Get(ctx, "dmutex:"+k).Val(), k)
		}
	})
}

// An acquire fails with what the server said, as often as its policy wants if that
// may heal, and at once if not; and releases what it may have acquired.
func TestHazard31_AnAcquireThatIsRefusedFailsAsTheStoresError(t *testing.T) {
	t.Parallel()
	eachRefusal(t, func(t *testing.T, r refusal, w *refusing) {
		ends := r.begins(t, w)
		for way, acquire := range acquiring {
			m := newMutex(t, w.b, key, mutex.Config{
				TTL: long, AcquireRetryPolicy: schedule.Stop(), BackingFailureRetryPolicy: schedule.Recurs(2),
			})
			_, err := acquire(m, func(context.Context) (effect.Void, error) {
				assert.Fail(t, "it works", way)
				return effect.Void{}, nil
			})(t.Context())
			assertRefused(t, r, "tryAcquire", err)
			var taken *mutex.LockNotAcquiredError
			assert.NotErrorAs(t, err, &taken, way)
			asked := w.b.since()
			tries := 3
			if r.permanent {
				tries = 1
			}
			assert.Equal(t, tries, asked["tryAcquire"], way)
			switch {
			case r.spares != "":
				tries = 1 // a script that only reads is allowed, and finds nothing to release
			case r.unsent:
				tries = 0
			}
			assert.Equal(t, tries, asked["release"], "%s: what may be held must be released", way)
		}
		ends()
		w.assertFree(t)
	})
}

// One who waits goes on when the server does.
func TestHazard31_AnAcquireIsRepeatedUntilTheServerIsWell(t *testing.T) {
	t.Parallel()
	eachRefusal(t, func(t *testing.T, r refusal, w *refusing) {
		if r.permanent {
			return
		}
		ends := r.begins(t, w)
		who := contend(t, w.b, key, mutex.Config{TTL: long})
		who.hears(t, r, "tryAcquire", 2)
		ends()
		who.enters(t, patience)
		assert.Zero(t, who.seen(mutex.NotAcquired))
		who.letsGo(t)
		w.assertFree(t)
	})
}

// A refresh that is refused is no loss as long as the lease runs, also if the error
// looks as if it would last: an operator may put it right.
func TestHazard31_ALockIsKeptWhileItsRefreshesAreRefused(t *testing.T) {
	t.Parallel()
	eachRefusal(t, func(t *testing.T, r refusal, w *refusing) {
		b := newTries(w.b.Backing)
		holder := contend(t, b, key, mutex.Config{TTL: 15 * time.Second, RefreshInterval: 500 * time.Millisecond})
		holder.enters(t, patience)
		ends := r.begins(t, w)
		if !r.allows("refresh") {
			holder.hears(t, r, "refresh", 2)
		}
		ends()
		b.awaitSuccess(t)
		assert.Zero(t, holder.seen(mutex.Lost))
		holder.letsGo(t)
		w.assertFree(t)
	})
}

// A server that goes on refusing costs the lock when the lease ends, and the loss
// says what the server said.
func TestHazard31_ALockIsLostIfItsRefreshesAreRefusedForTooLong(t *testing.T) {
	t.Parallel()
	eachRefusal(t, func(t *testing.T, r refusal, w *refusing) {
		if r.allows("refresh") {
			return
		}
		holder := contend(t, w.b, key, mutex.Config{TTL: 2 * time.Second, RefreshInterval: 300 * time.Millisecond})
		holder.enters(t, patience)
		w.b.since()
		ends := r.begins(t, w)
		lost := lossOf(t, holder.gone(t, patience))
		assert.Equal(t, mutex.Expired, lost.Reason)
		r.assertSaid(t, lost.Cause)
		assert.Equal(t, 1, w.b.since()["release"], "it must be released all the same")
		ends()
	})
}

// A release is tried as an acquire is. The next of the process, to whom the lock
// would have been passed, fares as it does.
func TestHazard31_AReleaseThatIsRefusedIsRepeatedOrFailsAtOnce(t *testing.T) {
	t.Parallel()
	for _, heals := range []bool{true, false} {
		eachRefusal(t, func(t *testing.T, r refusal, w *refusing) {
			if r.allows("release") || heals && r.permanent {
				return
			}
			c := mutex.Config{TTL: long}
			if !heals {
				c.BackingFailureRetryPolicy = schedule.Recurs(2)
			}
			holder := contend(t, w.b, key, c)
			holder.enters(t, patience)
			next := contend(t, w.b, key, c)
			next.waits(t)
			w.b.since()
			ends := r.begins(t, w)
			close(holder.leave)
			if heals {
				holder.hears(t, r, "release", 2)
				ends()
				assert.NoError(t, holder.gone(t, patience))
				assert.Equal(t, 1, holder.seen(mutex.Released))
				next.enters(t, patience)
				next.letsGo(t)
				w.assertFree(t)
				return
			}
			assertRefused(t, r, "release", holder.gone(t, patience))
			assert.Equal(t, 1, holder.seen(mutex.ReleaseFailed))
			assertRefused(t, r, "tryAcquire", next.gone(t, patience))
			ends()
			assert.Equal(t, holder.holder, w.direct.Get(t.Context(), "dmutex:"+key).Val(), "its lease runs out by itself")
		})
	}
}

// assertRefused asserts that err says what the server refused, and what it said.
func assertRefused(t *testing.T, r refusal, operation string, err error) {
	t.Helper()
	var failed *mutex.MutexBackingError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, operation, failed.Operation)
	assert.Equal(t, key, failed.Key)
	assert.ErrorIs(t, err, failed.Cause)
	r.assertSaid(t, failed.Cause)
}

// assertSaid asserts that err is what the server says, and that it is known whether
// that may heal.
func (r refusal) assertSaid(t *testing.T, err error) {
	t.Helper()
	if r.or != "" && err != nil && strings.Contains(err.Error(), r.or) {
		return
	}
	assert.ErrorContains(t, err, r.says)
	assert.Equal(t, r.permanent, backing.IsPermanent(err), "%v", err)
}

// hears waits until so many requests of the contender have failed, and asserts why
// the last did.
func (c *contender) hears(t *testing.T, r refusal, operation string, times int) {
	t.Helper()
	var err error
	eventually(t, func() bool {
		err = c.lastError(mutex.BackingFailed)
		return c.seen(mutex.BackingFailed) >= times && r.isSaid(err)
	}, "it fails with %s", r.says)
	assertRefused(t, r, operation, err)
}

// isSaid reports whether err is what the server says. On a busy machine a request may
// fail before it is answered.
func (r refusal) isSaid(err error) bool {
	return strings.Contains(err.Error(), r.says) || r.or != "" && strings.Contains(err.Error(), r.or)
}

// A real replica refuses until it is promoted, and then knows who has the lock.
func TestHazard31_AReplicaIsOfUseOnceItIsPromoted(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	replica := redistest.StartReplica(t, s.Server)
	holder := contend(t, s.process(t), key, mutex.Config{TTL: long})
	holder.enters(t, patience)
	replica.CatchUp(s.Server)
	misled := contend(t, redis.New(frank(t, replica.Addr())), key, mutex.Config{TTL: long})
	misled.hears(t, refusal{says: "READONLY"}, "tryAcquire", 2)

	replica.Promote()
	misled.waits(t)
	assertOutside(t, misled)
	require.NoError(t, replica.Client(t).Del(t.Context(), "dmutex:"+key).Err())
	misled.enters(t, bound+little)
	assert.Greater(t, misled.token, holder.token)
	misled.letsGo(t)
	holder.letsGo(t) // on the old primary nothing has happened
}
