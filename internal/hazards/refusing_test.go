package hazards_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// eachRefusal runs a test with each refusal.
func eachRefusal(t *testing.T, all []refusal, test func(t *testing.T, r refusal, f site, b *spy)) {
	t.Helper()
	for _, r := range all {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			f, b := r.site(t)
			test(t, r, f, b)
		})
	}
}

// A refusal by the server is an error of the backing in every operation, never an answer, and
// changes nothing.
func TestHazard31_AServerThatRefusesIsAnErrorInEveryOperation(t *testing.T) {
	t.Parallel()
	eachRefusal(t, refusals, func(t *testing.T, r refusal, f site, b *spy) {
		ctx := context.WithoutCancel(t.Context())
		claim := func(name, holder string) backing.Claim { return claimOf(f.key+name, holder) }
		for _, name := range []string{"held", "other", "passed", "released"} {
			granted, err := took(b.TryAcquire(ctx, claim(name, "a")))
			require.NoError(t, err)
			require.True(t, granted)
		}
		operations := map[string]func() (answered bool, err error){
			"tryAcquire": func() (bool, error) { return took(b.TryAcquire(ctx, claim("free", "b"))) },
			"enqueue": func() (bool, error) {
				outcome, err := b.Enqueue(ctx, waiterOf(claim("held", "b")))
				return outcome != nil, err
			},
			"pass": func() (bool, error) {
				outcome, err := b.Pass(ctx, claim("passed", "a"), waiterOf(claim("passed", "b")), false)
				return isGranted(outcome), err
			},
			"refresh": func() (bool, error) { return b.Refresh(ctx, claim("held", "a")) },
			"refreshAll": func() (bool, error) {
				all := b.RefreshAll(ctx, []backing.Claim{claim("held", "a"), claim("other", "a")})
				assert.Equal(t, all[0].Held, all[1].Held)
				assert.Equal(t, all[0].Err == nil, all[1].Err == nil)
				return all[0].Held, all[0].Err
			},
			"release":   func() (bool, error) { return b.Release(ctx, f.key+"released", "a") },
			"isLocked":  func() (bool, error) { return b.IsLocked(ctx, f.key+"held") },
			"getHolder": func() (bool, error) { who, err := b.GetHolder(ctx, f.key+"held"); return isSome(who), err },
		}
		mend := r.begin(f)
		for name, operation := range operations {
			answered, err := operation()
			for r.nobody && errors.Is(err, io.EOF) { // the server closes the connection a moment after some refusals
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
		mend()
		holders := map[string]string{"held": "a", "other": "a", "passed": "a", "released": "a", "free": ""}
		if r.allows("pass") {
			holders["passed"], holders["released"] = "b", ""
		}
		for name, want := range holders {
			assert.Equal(t, want, f.holderOf(f.key+name), name)
		}
	})
}

// An acquire fails with the server's error: after its policy's retries if that is temporary, at once
// if it is not, or after a second if it is about credentials. It then releases what it may have
// acquired.
func TestHazard31_AnAcquireThatIsRefusedFailsAsTheStoresError(t *testing.T) {
	t.Parallel()
	eachRefusal(t, refusals, func(t *testing.T, r refusal, f site, b *spy) {
		mend := r.begin(f)
		for way, acquire := range acquiring {
			config := mutex.Config{TTL: long, AcquireRetryPolicy: schedule.Stop()}
			if !r.late {
				config.BackingFailureRetryPolicy = schedule.Recurs(2)
			}
			_, err := acquire(newMutex(t, b, f.key, config), neverRuns(t))(t.Context())
			assertRefused(t, r, f.key, "tryAcquire", err)
			var taken *mutex.LockNotAcquiredError
			assert.NotErrorAs(t, err, &taken, way)
			tries, releases := b.asked("tryAcquire"), b.asked("release")
			if r.late {
				assert.True(t, backing.IsPermanent(err), "%v", err)
			} else {
				assert.Equal(t, map[bool]int{true: 1, false: 3}[r.permanent], tries, way)
			}
			assert.Equal(t, r.unsent, releases == 0, "%s: what may be held must be released", way)
		}
		mend()
		f.assertFree()
	})
}

// Acquires, refreshes and releases succeed again when the server is well. A refused refresh is not a
// loss as long as the lease runs, even if the error looks permanent: an operator may fix it.
func TestHazard31_LocksAreKeptAndAcquiredAndReleasedWhenTheServerIsWell(t *testing.T) {
	t.Parallel()
	eachRefusal(t, refusals, func(t *testing.T, r refusal, f site, b *spy) {
		holder := f.hold(b, mutex.Config{TTL: long, RefreshInterval: short})
		releaser := f.holdKey(f.key+"released", b)
		mend := r.begin(f)
		if !r.allows("refresh") {
			holder.isRefused(r, "refresh")
		}
		if r.permanent {
			mend()
			b.refreshes()
			holder.letsGo()
			return
		}
		waiter := f.wantKey(f.key+"free", b)
		waiter.isRefused(r, "tryAcquire")
		close(releaser.leave)
		if !r.allows("release") {
			releaser.isRefused(r, "release")
		}
		mend()
		waiter.takesTurn()
		assert.Zero(t, waiter.seen(mutex.NotAcquired))
		assert.NoError(t, releaser.gone())
		assert.Equal(t, 1, releaser.seen(mutex.Released))
		b.refreshes()
		holder.letsGo()
		f.assertFree()
	})
}

// A server that goes on refusing costs the lock when the lease ends, and the loss has the server's
// error. A release that is refused fails, and so does the next waiter of the process, to which the
// lock would have been passed.
func TestHazard31_LocksAreLostAndReleasesFailIfTheServerRefusesForTooLong(t *testing.T) {
	t.Parallel()
	eachRefusal(t, []refusal{refusals[0], refusals[5], refusals[len(refusals)-1]}, func(t *testing.T, r refusal, f site, b *spy) {
		loser := f.hold(b, mutex.Config{TTL: lease, RefreshInterval: lease / 6})
		config := mutex.Config{TTL: long, BackingFailureRetryPolicy: schedule.Recurs(2)}
		holder := f.holdKey(f.key+"held", b, config)
		next := f.wantKey(holder.key, b, config)
		next.waits()
		b.asked("release")
		mend := r.begin(f)
		loser.loses(mutex.Expired)
		r.assertSaid(t, loser.loss.Cause)
		assert.Equal(t, 1, b.asked("release"), "it must be released all the same")
		close(holder.leave)
		assertRefused(t, r, holder.key, "release", holder.gone())
		assert.Equal(t, 1, holder.seen(mutex.ReleaseFailed))
		assertRefused(t, r, holder.key, "tryAcquire", next.gone())
		mend()
		f.assertHolds(holder) // its lease runs out on its own
	})
}

// assertRefused asserts that err names the operation that the server refused, and its answer.
func assertRefused(t *testing.T, r refusal, key, operation string, err error) {
	t.Helper()
	var failed *mutex.MutexBackingError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, operation, failed.Operation)
	assert.Equal(t, key, failed.Key)
	assert.ErrorIs(t, err, failed.Cause)
	r.assertSaid(t, failed.Cause)
}

// isRefused waits until two requests of the contender have failed, and asserts why the last
// one did. On a busy machine a request may fail before it is answered.
func (c *contender) isRefused(r refusal, operation string) {
	c.t.Helper()
	var err error
	eventually(c.t, func() bool {
		err = c.lastError(mutex.BackingFailed)
		return c.seen(mutex.BackingFailed) >= 2 && r.isSaid(err)
	}, "a request fails with %s", r.says)
	assertRefused(c.t, r, c.key, operation, err)
}

func isGranted(o backing.Outcome) bool {
	_, ok := o.(backing.Granted)
	return ok
}

func took(grant option.Option[backing.Grant], err error) (bool, error) { return isSome(grant), err }
