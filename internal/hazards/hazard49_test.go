package hazards_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
)

// A slot that moves may be half moved for longer than a lease: a server that has many
// keys takes its time. The lock is refreshed all the same, wherever its key is.
func TestHazard49_ALockIsKeptThoughTheRestOfItsSlotMovesForLongerThanItsLease(t *testing.T) {
	t.Parallel()
	for name, moves := range map[string]func(key string) bool{
		"nothing has moved":         func(string) bool { return false },
		"the lock alone has moved":  func(k string) bool { return k == lockKey },
		"all but the lock has gone": func(k string) bool { return k != lockKey },
		"all has moved":             func(string) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			b := newTries(c.process(t))
			holder := contend(t, b, key, mutex.Config{TTL: 2 * time.Second, RefreshInterval: 300 * time.Millisecond})
			holder.enters(t, patience)
			waiter := contend(t, c.process(t), key, mutex.Config{TTL: long})
			waiter.waits(t)

			m := c.Migrate(t, lockKey, c.other(t, key).Server)
			for _, k := range m.Keys() {
				if moves(k) {
					m.MoveKey(k)
				}
			}
			for began := time.Now(); time.Since(began) < 3*time.Second; {
				b.awaitSuccess(t)
				require.Zero(t, holder.seen(mutex.Lost), "%v", holder.lastError(mutex.Lost))
				assertOutside(t, waiter)
			}
			m.Finish()
			b.awaitSuccess(t)
			assertOutside(t, waiter)
			holder.letsGo(t)
			waiter.enters(t, bound+little)
			assert.Greater(t, waiter.token, holder.token)
			waiter.letsGo(t)
			c.assertFree(t)
		})
	}
}

// Those who wait are served when the slot has moved, at the latest.
func TestHazard49_ProcessesTakeTurnsAtLocksWhoseSlotMoves(t *testing.T) {
	t.Parallel()
	const (
		moves = 3
		each  = 1500 * time.Millisecond // a move
	)
	c := newCluster(t)
	var names []string
	for i := range 4 {
		names = append(names, fmt.Sprintf("{%s}%d", key, i))
	}
	var moving sync.WaitGroup
	moving.Go(func() {
		takeTurns(t, (moves+1)*each, each+bound+little, names, c.process(t), c.process(t), c.process(t))
	})
	for range moves {
		slot := "dmutex:" + names[0]
		m := c.Migrate(t, slot, c.other(t, names[0]).Server)
		half(m)
		time.Sleep(each / 2) // for that long it is half moved
		m.Finish()
		time.Sleep(each / 2)
	}
	moving.Wait()
	c.assertFree(t)
}

// half moves every other key that is there.
func half(m *redistest.Migration) {
	for i, k := range m.Keys() {
		if i%2 == 0 {
			m.MoveKey(k)
		}
	}
}
