package hazards_test

import (
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

func TestHazard39_AnEmptyKeyIsRefused(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	b, asked := s.process(t), s.scripts(t)
	for _, store := range []backing.Backing{b, memory.New()} {
		_, err := mutex.New(store, "", mutex.Config{})
		var bad *mutex.ConfigError
		require.ErrorAs(t, err, &bad)
		assert.Equal(t, "key", bad.Field)
		assert.Empty(t, bad.Value)
		assert.EqualError(t, err, `mutex: key is "", want a name that is not empty`)
	}
	assert.Equal(t, asked, s.scripts(t))
}

// An empty holder id is one that is not set: nobody holds under it, and two who
// leave it so are not the same holder.
func TestHazard39_AnEmptyHolderIDIsAnIDOfItsOwn(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for name, b := range map[string]backing.Backing{"redis": s.process(t), "memory": memory.New()} {
		t.Run(name, func(t *testing.T) {
			one := contend(t, b, key, mutex.Config{TTL: long, HolderID: ""})
			one.enters(t, patience)
			m, err := mutex.New(b, key, mutex.Config{TTL: long, HolderID: ""})
			require.NoError(t, err)
			ran, err := mutex.WithLockIfAvailable(m, effect.Succeed(1))(t.Context())
			require.NoError(t, err)
			assert.True(t, option.IsNone(ran))
			holder, err := m.Holder(t.Context())
			require.NoError(t, err)
			assert.Equal(t, option.Some(one.holder), holder)
			assert.GreaterOrEqual(t, len(one.holder), 16, "%q can be guessed", one.holder)
			one.letsGo(t)
		})
	}
	s.assertFree(t)
}

// Another client of the same scheme may hold a lock under an empty id. That is a
// holder: the lock is not free.
func TestHazard39_AForeignHolderWithoutAnIDHasTheLock(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	require.NoError(t, s.direct.Set(t.Context(), "dmutex:"+key, "", long).Err())
	m, err := mutex.New(s.process(t), key, mutex.Config{TTL: long})
	require.NoError(t, err)
	locked, err := m.IsLocked(t.Context())
	require.NoError(t, err)
	assert.True(t, locked)
	ran, err := mutex.WithLockIfAvailable(m, effect.Succeed(1))(t.Context())
	require.NoError(t, err)
	assert.True(t, option.IsNone(ran))

	waiter := contend(t, s.process(t), key, mutex.Config{TTL: long})
	s.awaitQueue(t, 1)
	assert.Greater(t, s.ttl(t, key), long-patience-time.Second)
	require.NoError(t, s.direct.Del(t.Context(), "dmutex:"+key).Err())
	waiter.enters(t, bound+little)
	waiter.letsGo(t)
}
