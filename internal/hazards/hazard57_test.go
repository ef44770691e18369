package hazards_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// rotating is a server that changes the password of a user, and processes that are given
// the new one a little later.
type rotating struct {
	store
	current  atomic.Pointer[string] // what the processes use
	rotation int
}

func newRotating(t *testing.T) *rotating {
	t.Helper()
	s := &rotating{store: newStore(t)}
	first := "password 0"
	s.current.Store(&first)
	s.Allow(user, "on", ">"+first, "~*", "&*", "+@all")
	return s
}

func (s *rotating) process(t *testing.T) *redis.Backing {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: s.Addr(), CredentialsProvider: func() (string, string) {
		return user, *s.current.Load()
	}})
	t.Cleanup(func() { _ = c.Close() })
	return redis.New(c)
}

// changePassword closes the connections that have logged in with the old one.
func (s *rotating) changePassword(t *testing.T) (changed string) {
	t.Helper()
	s.rotation++
	changed = fmt.Sprint("password ", s.rotation)
	s.Allow(user, "resetpass", ">"+changed)
	require.NoError(t, s.direct.ClientKillByFilter(t.Context(), "USER", user).Err())
	return changed
}

// rotate changes the password, and reports whether the processes had the new one in time
// for what they promise. A busy machine may take longer.
func (s *rotating) rotate(t *testing.T) (inTime bool) {
	t.Helper()
	began := time.Now()
	changed := s.changePassword(t)
	time.Sleep(500 * time.Millisecond) // the lag that is the hazard
	s.current.Store(&changed)
	return time.Since(began) < 800*time.Millisecond
}

func TestHazard57_CredentialsThatAreLateCostNoLock(t *testing.T) {
	t.Parallel()
	s := newRotating(t)
	b := newTries(s.process(t))
	holder := contend(t, b, "held", mutex.Config{TTL: long, RefreshInterval: 100 * time.Millisecond})
	holder.enters(t, patience)
	waiter := contend(t, s.process(t), "held", mutex.Config{TTL: long})
	waiter.waits(t)

	for n := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 4)
		for i := range cap(failed) {
			m := newMutex(t, s.process(t), fmt.Sprint("taken", i%2), mutex.Config{TTL: long})
			go func() {
				var err error
				for err == nil && ctx.Err() == nil {
					_, err = mutex.WithLock(m, effect.Sleep(time.Millisecond))(context.WithoutCancel(ctx))
				}
				failed <- err
			}()
		}
		inTime := s.rotate(t)
		b.awaitSuccess(t)
		cancel()
		for range cap(failed) {
			if err := <-failed; inTime {
				assert.NoError(t, err, "rotation %d", n)
			}
		}
	}
	assert.Positive(t, holder.seen(mutex.BackingFailed), "the refreshes had to be repeated")
	assert.ErrorContains(t, holder.lastError(mutex.BackingFailed), "WRONGPASS")
	assertOutside(t, waiter)
	holder.letsGo(t)
	waiter.enters(t, patience)
	assert.Greater(t, waiter.token, holder.token)
	waiter.letsGo(t)
}

// The default policy would try for half a minute.
func TestHazard57_CredentialsThatStayWrongFailForGoodAfterASecond(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]goredis.Options{
		"a password that was changed": {Username: user, Password: password},
		"a user that is not there":    {Username: "nobody", Password: password},
		"no password":                 {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t, "--requirepass", "another", "--user", user, "on", ">another", "~*", "&*", "+@all")
			options.Addr = s.Addr()
			c := goredis.NewClient(&options)
			t.Cleanup(func() { _ = c.Close() })
			m := newMutex(t, redis.New(c), key, mutex.Config{})
			began := time.Now()
			_, err := mutex.WithLock(m, effect.Succeed(1))(t.Context())
			assert.GreaterOrEqual(t, time.Since(began), time.Second)
			assert.Less(t, time.Since(began), 15*time.Second)
			var failed *mutex.MutexBackingError
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, "tryAcquire", failed.Operation)
			assert.True(t, backing.IsPermanent(err), "%v", err)
			assert.True(t, goredis.IsAuthError(failed.Cause), "%v", err)
			setup, ok := errors.AsType[*redis.SetupError](err)
			require.True(t, ok, "%v", err)
			assert.Contains(t, setup.Advice, "password")
			assert.NotContains(t, err.Error(), password)
		})
	}
}

// One streak is not the next one: what came right begins again with a second.
func TestHazard57_CredentialsThatCameRightMayBeLateAgain(t *testing.T) {
	t.Parallel()
	s := newRotating(t)
	b := s.process(t)
	claim := backing.Claim{Key: key, Holder: "h", TTL: long}
	for range 2 {
		changed := s.changePassword(t)
		var refusals []error
		eventually(t, func() bool {
			_, err := took(b.TryAcquire(t.Context(), claim))
			require.Error(t, err)
			if goredis.IsAuthError(err) { // and not only that the connection was closed
				refusals = append(refusals, err)
			}
			return backing.IsPermanent(err)
		}, "it is taken for wrong")
		require.Greater(t, len(refusals), 1)
		assert.False(t, backing.IsPermanent(refusals[0]))
		s.current.Store(&changed)
		got, err := took(b.TryAcquire(t.Context(), claim))
		require.NoError(t, err)
		assert.True(t, got)
	}
}
