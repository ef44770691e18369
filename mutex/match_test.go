package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

func TestEveryErrorHasAKind(t *testing.T) {
	t.Parallel()
	lost := &mutex.LockLostError{Key: key, Reason: mutex.Taken}
	busy := &mutex.LockNotAcquiredError{Key: key}
	failed := &mutex.MutexBackingError{Operation: "release", Key: key, Cause: errStore}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		err  error
		kind mutex.Kind
	}{
		"none":                                  {nil, mutex.KindNone},
		"lost":                                  {lost, mutex.KindLost},
		"not acquired":                          {busy, mutex.KindNotAcquired},
		"store":                                 {failed, mutex.KindStore},
		"wrapped":                               {fmt.Errorf("report: %w", busy), mutex.KindNotAcquired},
		"canceled":                              {context.Canceled, mutex.KindCanceled},
		"deadline":                              {fmt.Errorf("while acquiring: %w", context.DeadlineExceeded), mutex.KindCanceled},
		"canceled while the store fails":        {effect.Interrupted(ended, failed), mutex.KindCanceled},
		"the store's own deadline":              {&mutex.MutexBackingError{Operation: "release", Cause: &effect.TimeoutError{Err: context.DeadlineExceeded}}, mutex.KindStore},
		"work":                                  {errWork, mutex.KindOther},
		"reentrant":                             {&mutex.ReentrantError{Key: key}, mutex.KindOther},
		"work, and then the release":            {errors.Join(errWork, failed), mutex.KindOther},
		"release, and then other work":          {errors.Join(failed, errWork), mutex.KindOther},
		"canceled, and then the release":        {errors.Join(context.Canceled, failed), mutex.KindCanceled},
		"canceled, and other work":              {errors.Join(context.Canceled, errWork), mutex.KindOther},
		"not free, and the clean-up":            {errors.Join(busy, failed), mutex.KindNotAcquired},
		"timed out, and then the release":       {&effect.TimeoutError{Err: failed}, mutex.KindOther},
		"timed out while the lock was not free": {&effect.TimeoutError{Err: busy}, mutex.KindOther},
		"timed out, and lost":                   {&effect.TimeoutError{Err: lost}, mutex.KindLost},
		"work, and lost":                        {errors.Join(errWork, lost), mutex.KindLost},
		"the release of one, the loss of other": {errors.Join(failed, lost), mutex.KindLost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, c.kind, mutex.KindOf(c.err), "%v, not %v", c.kind, mutex.KindOf(c.err))
			want := map[mutex.Kind]string{mutex.KindLost: "taken", mutex.KindNotAcquired: "not acquired", mutex.KindStore: "release"}[c.kind]
			if want == "" {
				want = fmt.Sprint(c.err)
			}
			assert.Equal(t, want, mutex.Fold(
				func(e *mutex.LockLostError) string { return string(e.Reason) },
				func(*mutex.LockNotAcquiredError) string { return "not acquired" },
				func(e *mutex.MutexBackingError) string { return e.Operation },
				func(err error) string { return fmt.Sprint(err) },
			)(c.err))
		})
	}
}

func TestKindsHaveNames(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "none, lost, not acquired, store, canceled, other", fmt.Sprintf("%v, %v, %v, %v, %v, %v",
		mutex.KindNone, mutex.KindLost, mutex.KindNotAcquired, mutex.KindStore, mutex.KindCanceled, mutex.KindOther))
}

func TestCatchErrorsRecoversFromEachErrorOfALock(t *testing.T) {
	t.Parallel()
	lost := &mutex.LockLostError{Key: key}
	failed := &mutex.MutexBackingError{Operation: "release", Cause: errStore}
	catch := mutex.CatchErrors(
		func(e *mutex.LockLostError) effect.Effect[string] { return effect.Succeed(e.Tag()) },
		func(e *mutex.LockNotAcquiredError) effect.Effect[string] { return effect.Succeed(e.Tag()) },
		func(e *mutex.MutexBackingError) effect.Effect[string] { return effect.Succeed(e.Tag()) },
	)
	for _, err := range []effect.Tagged{lost, &mutex.LockNotAcquiredError{}, failed} {
		tag, got := catch(effect.Fail[string](fmt.Errorf("report: %w", err)))(t.Context())
		require.NoError(t, got)
		assert.Equal(t, err.Tag(), tag)
	}
	tag, err := catch(effect.Fail[string](errors.Join(failed, lost)))(t.Context())
	require.NoError(t, err)
	assert.Equal(t, lost.Tag(), tag, "the loss comes first")

	for _, err := range []error{
		errWork, errors.Join(errWork, failed), errors.Join(failed, errWork), errors.Join(errWork, lost), &mutex.ReentrantError{},
		&effect.TimeoutError{Err: failed},
	} {
		_, got := catch(effect.Fail[string](err))(t.Context())
		assert.Equal(t, err, got, "no handler is run for %v", err)
	}
	ended, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	_, err = catch(effect.Fail[string](failed))(ended)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// A timeout around a lock cancels the work, and then the release fails: it must not look as if
// the work had run to its end.
func TestCancelledWorkIsNotTakenForAFailedRelease(t *testing.T) {
	t.Parallel()
	store := &backing.Funcs{
		Base:        memory.New(),
		ReleaseFunc: func(context.Context, string, string) (bool, error) { return false, errStore },
	}
	lock := mutex.Must(mutex.New(store, key, mutex.Config{BackingFailureRetryPolicy: schedule.Stop()}))
	untilCancelled := func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }
	pay := effect.With(untilCancelled, lock.Aspect(), effect.Within(time.Millisecond))
	_, err := mutex.CatchErrors(
		func(*mutex.LockLostError) effect.Effect[string] { return effect.Succeed("lost") },
		func(*mutex.LockNotAcquiredError) effect.Effect[string] { return effect.Succeed("busy") },
		func(*mutex.MutexBackingError) effect.Effect[string] { return effect.Succeed("paid") },
	)(pay)(t.Context())
	require.ErrorIs(t, err, errStore)
	assert.Equal(t, mutex.KindOther, mutex.KindOf(err), "%v", err)
}

func TestStoreThatCancelsItsOwnRequestHasFailed(t *testing.T) {
	t.Parallel()
	for _, own := range []error{context.Canceled, context.DeadlineExceeded} {
		cause := backing.Permanent(fmt.Errorf("the pool has closed: %w", errors.Join(own, errStore)))
		store := &backing.Funcs{
			Base:        memory.New(),
			ReleaseFunc: func(context.Context, string, string) (bool, error) { return false, cause },
		}
		lock := mutex.Must(mutex.New(store, key, mutex.Config{}))
		err := lock.Do(t.Context(), func(context.Context) error { return nil })
		require.ErrorContains(t, err, own.Error())
		require.NotErrorIs(t, err, own)
		require.ErrorIs(t, err, errStore)
		assert.True(t, backing.IsPermanent(err))
		assert.Equal(t, mutex.KindStore, mutex.KindOf(err), "the work has run to its end: %v", err)
	}
}
