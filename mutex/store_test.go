package mutex_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

const (
	key = "orders"
	ttl = 30 * time.Second
)

// errStore is how a store fails in these tests.
var errStore = errors.New("the store is down")

// store is the memory backing with faults: a test puts its own function in the
// way of an operation. It counts the calls.
type store struct {
	current    atomic.Pointer[memory.Backing]
	tryAcquire func(context.Context, backing.Claim) (option.Option[backing.Grant], error)
	refresh    func(context.Context, backing.Claim) (bool, error)
	release    func(context.Context, string, string) (bool, error)
	inspect    func(context.Context) error // before IsLocked and GetHolder

	mu    sync.Mutex
	calls map[string]int
}

func newStore() *store {
	s := &store{calls: map[string]int{}}
	s.loseData()
	return s
}

// loseData is a restart of the store without persistence.
func (s *store) loseData() { s.current.Store(memory.New()) }

// real is the store without faults.
func (s *store) real() *memory.Backing { return s.current.Load() }

func (s *store) count(operation string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[operation]++
}

func (s *store) called(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}

func (s *store) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	s.count("tryAcquire")
	if s.tryAcquire != nil {
		return s.tryAcquire(ctx, c)
	}
	return s.real().TryAcquire(ctx, c)
}

func (s *store) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	s.count("refresh")
	if s.refresh != nil {
		return s.refresh(ctx, c)
	}
	return s.real().Refresh(ctx, c)
}

func (s *store) Release(ctx context.Context, key, holder string) (bool, error) {
	s.count("release")
	if s.release != nil {
		return s.release(ctx, key, holder)
	}
	return s.real().Release(ctx, key, holder)
}

func (s *store) IsLocked(ctx context.Context, key string) (bool, error) {
	s.count("isLocked")
	if s.inspect != nil {
		if err := s.inspect(ctx); err != nil {
			return false, err
		}
	}
	return s.real().IsLocked(ctx, key)
}

func (s *store) GetHolder(ctx context.Context, key string) (option.Option[string], error) {
	s.count("getHolder")
	if s.inspect != nil {
		if err := s.inspect(ctx); err != nil {
			return option.None[string](), err
		}
	}
	return s.real().GetHolder(ctx, key)
}

// hang is a request that the store never answers.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// take makes somebody else the holder, after a loss of data.
func (s *store) take(t *testing.T) {
	t.Helper()
	s.loseData()
	grant, err := s.real().TryAcquire(t.Context(), backing.Claim{Key: key, Holder: "somebody else", TTL: time.Hour})
	require.NoError(t, err)
	require.True(t, option.IsSome(grant))
}

// drop loses the key.
func (s *store) drop(*testing.T) { s.loseData() }

func (s *store) requireFree(t *testing.T) {
	t.Helper()
	locked, err := s.real().IsLocked(context.Background(), key)
	require.NoError(t, err)
	require.False(t, locked, "the lock is still held")
}

func newMutex(t *testing.T, b backing.Backing, c mutex.Config) *mutex.Mutex {
	t.Helper()
	m, err := mutex.New(b, key, c)
	require.NoError(t, err)
	t.Cleanup(func() { awaitCleanup(t, b) })
	return m
}

// awaitCleanup waits until failed acquisitions have left nothing to be cleaned up.
func awaitCleanup(t *testing.T, b backing.Backing) {
	t.Helper()
	_, err := mutex.AwaitCleanup(b)(context.Background())
	require.NoError(t, err)
}

// sleep is work that takes time and heeds its context.
func sleep(d time.Duration) effect.Effect[effect.Void] { return effect.Sleep(d) }

// deafSleep is work that takes time whatever happens to its context.
func deafSleep(d time.Duration) effect.Effect[effect.Void] {
	return func(context.Context) (effect.Void, error) {
		time.Sleep(d) // in virtual time
		return effect.Void{}, nil
	}
}

func requireLost(t *testing.T, err error, reason mutex.LossReason) {
	t.Helper()
	lost := asLost(t, err)
	require.Equal(t, reason, lost.Reason)
	require.Equal(t, key, lost.Key)
	require.NotEmpty(t, lost.Holder)
	require.NotErrorIs(t, err, context.Canceled, "nobody cancelled the caller")
	require.NotErrorIs(t, err, context.DeadlineExceeded, "nor had it a deadline")
}

func asLost(t *testing.T, err error) *mutex.LockLostError {
	t.Helper()
	var lost *mutex.LockLostError
	require.ErrorAs(t, err, &lost)
	return lost
}

// claims grants each claim, and checks its TTL.
func (s *store) claims(t *testing.T, ttl time.Duration) func(context.Context, backing.Claim) (option.Option[backing.Grant], error) {
	t.Helper()
	return func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
		assert.Equal(t, ttl, c.TTL)
		return s.real().TryAcquire(ctx, c)
	}
}

// holderID is work that yields the id of the holder that it runs under.
func holderID(ctx context.Context) (string, error) {
	lock, ok := mutex.FromContext(ctx)
	if !ok {
		return "", errors.New("no lock in the context of the work")
	}
	return lock.HolderID(), nil
}
