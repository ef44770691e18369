package hazards_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// rotating is a server that changes a user's password, and processes that get the new one a
// little later.
type rotating struct {
	store
	current atomic.Pointer[string] // the password that the processes use
	changes int
}

func newRotating(t *testing.T) *rotating {
	t.Helper()
	s := &rotating{store: newStore(t)}
	s.Allow(user, "on", "~*", "&*", "+@all")
	s.learn(s.change())
	return s
}

func (s *rotating) process() *redis.Backing {
	return redis.New(s.client(goredis.Options{CredentialsProvider: func() (string, string) {
		return user, *s.current.Load()
	}}))
}

// change gives the user another password, and closes the connections that are logged in.
func (s *rotating) change() (password string) {
	s.changes++
	password = fmt.Sprint("password ", s.changes)
	s.Allow(user, "resetpass", ">"+password)
	return password
}

// learn gives the processes the current password.
func (s *rotating) learn(password string) { s.current.Store(&password) }

func TestHazard57_CredentialsThatAreLateCostNoLock(t *testing.T) {
	t.Parallel()
	s := newRotating(t)
	b := spyOn(t, s.process())
	holder := s.hold(b, mutex.Config{TTL: long, RefreshInterval: short / 4})
	waiter := s.rival()
	for range 3 {
		var all []*contender
		for i := range 4 {
			c := s.wantKey(s.key+fmt.Sprint("taken", i%2), s.process())
			all = append(all, c)
			close(c.leave)
		}
		began := time.Now()
		changed := s.change()
		time.Sleep(500 * time.Millisecond) // the lag that is the hazard
		s.learn(changed)
		inTime := time.Since(began) < 800*time.Millisecond // a busy machine may take longer than the promised time
		b.refreshes()
		for _, c := range all {
			if err := c.gone(); inTime {
				assert.NoError(t, err)
			}
		}
	}
	assert.ErrorContains(t, holder.lastError(mutex.BackingFailed), "WRONGPASS", "the refreshes had to be repeated")
	holder.letsGo()
	waiter.takesTurn()
}

// The default policy would retry for half a minute.
func TestHazard57_CredentialsThatStayWrongFailForGoodAfterASecond(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]goredis.Options{
		"a password that was changed": {Username: user, Password: password},
		"a user that is not there":    {Username: "nobody", Password: password},
		"no password":                 {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t, "--requirepass", "another", "--user", user, "on", ">another", "~*", "&*", "+@all")
			began := time.Now()
			_, err := mutex.WithLock(newMutex(t, redis.New(s.client(o)), s.key, mutex.Config{}), neverRuns(t))(t.Context())
			assert.GreaterOrEqual(t, time.Since(began), time.Second)
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
