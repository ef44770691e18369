package hazards_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
)

// All that the library stores or subscribes to for a lock is in the slot of the
// lock's own key, whatever the key is: the servers say so.
func TestHazard36_AllKeysAndTheChannelOfALockAreInOneSlot(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	for _, name := range []string{
		"k", "{tag}k", "k{tag}", "{}", "a{b", "}{", "}", "{", "a}", "{}{tag}", "a{}b{tag}", "{{tag}}", "}{tag}", "{a}{b}",
		"é", "\x00\xff\r\n ", strings.Repeat("k{", 300), strings.Repeat("}k", 300),
	} {
		t.Run(fmt.Sprintf("%.20q", name), func(t *testing.T) { // one at a time, as all that is new is this lock's
			for _, s := range c.masters {
				s.Flush()
			}
			_, before := c.names(t)
			known := map[string]bool{}
			for _, channel := range before {
				known[channel] = true
			}
			met := map[string]bool{}
			look := func() {
				keys, channels := c.names(t)
				for _, key := range keys {
					met[key] = true
				}
				for _, channel := range channels {
					met[channel] = !known[channel]
				}
			}
			config := mutex.Config{TTL: long}
			one, other := c.process(t), c.process(t)
			holder := contend(t, one, name, config)
			holder.enters(t, patience)
			inside := contend(t, one, name, config)
			inside.waits(t)
			outside := contend(t, other, name, config)
			eventually(t, func() bool { return c.queued(t) == 1 }, "it waits")
			for _, who := range []*contender{holder, inside, outside} {
				who.enters(t, patience)
				look()
				who.letsGo(t)
				assert.Zero(t, who.seen(mutex.BackingFailed), "%v", who.lastError(mutex.BackingFailed))
				assert.Zero(t, who.seen(mutex.Polling), "%v", who.lastError(mutex.Polling))
			}
			look()
			slot := c.masters[0].direct.ClusterKeySlot(t.Context(), "dmutex:"+name).Val()
			kinds := map[string]int{}
			for what, ours := range met {
				if ours {
					kind, _, _ := strings.Cut(what, ":")
					if own := ownKey.FindStringSubmatch(what); own != nil {
						kind = own[1]
					}
					kinds[kind]++
					assert.Equal(t, slot, c.masters[0].direct.ClusterKeySlot(t.Context(), what).Val(), "%q", what)
				}
			}
			for _, kind := range []string{"dmutex", "fence", "queue", "released", "push"} {
				assert.Positive(t, kinds[kind], "%s: none was seen, so this test tests nothing", kind)
			}
			c.assertFree(t)
		})
	}
}

// The slot moves to another master while the lock is held, refreshed and waited
// for. Whoever lets go meanwhile has to wait until all keys have arrived.
func TestHazard36_ALockIsKeptAndHandedOverWhileItsSlotMoves(t *testing.T) {
	t.Parallel()
	stages := []string{"announced", "half moved", "moved"}
	for at, stage := range append(stages, "afterwards") {
		t.Run("it is let go "+stage, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			b := newTries(c.process(t))
			holder := contend(t, b, key, mutex.Config{TTL: 30 * time.Second, RefreshInterval: 500 * time.Millisecond})
			holder.enters(t, patience)
			near := contend(t, b, key, mutex.Config{TTL: long})
			near.waits(t)
			far := contend(t, c.process(t), key, mutex.Config{TTL: long})
			eventually(t, func() bool { return c.queued(t) == 1 }, "it waits")

			from, to := c.owner(t, key), c.other(t, key)
			var m *redistest.Migration
			for i, step := range []func(){
				func() { m = c.Migrate(t, lockKey, to.Server) },
				func() { m.MoveKeys() },
				func() { m.Finish() },
			} {
				step()
				if i < at {
					b.awaitSuccess(t) // the holder finds its keys, wherever they are
					assert.Zero(t, holder.seen(mutex.Lost))
				}
				if i == at {
					close(holder.leave)
				}
				if i == at && i < 2 { // one of the keys of a release is never there before
					eventually(t, func() bool { return holder.seen(mutex.BackingFailed) > 0 }, "it is told to try again")
					assert.ErrorContains(t, holder.lastError(mutex.BackingFailed), "TRYAGAIN")
					assert.False(t, backing.IsPermanent(holder.lastError(mutex.BackingFailed)))
				}
				assertOutside(t, far)
			}
			assert.Equal(t, to.Server, c.owner(t, key).Server)
			late := contend(t, c.process(t), key, mutex.Config{TTL: long})
			if at == len(stages) {
				close(holder.leave)
			}
			require.NoError(t, holder.gone(t, patience))
			assert.Equal(t, 1, holder.seen(mutex.Released))
			near.enters(t, bound+2*little)
			assert.Greater(t, near.token, holder.token)
			near.letsGo(t)
			// One whose subscription was still on its way to the new master when it was its
			// turn is passed over, and a waiter that has come since may be first.
			serve(t, near.token, far, late)
			c.assertFree(t)
			left, err := from.direct.Keys(t.Context(), "*").Result()
			require.NoError(t, err)
			assert.Empty(t, left, "it was used after it had gone")
		})
	}
}

// Many work under one lock while its slot goes round from master to master.
func TestHazard36_TwoAreNeverInsideWhileTheSlotGoesRound(t *testing.T) {
	t.Parallel()
	const (
		processes = 3
		workers   = 3
		moves     = 6
	)
	c := newCluster(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var inside, worked atomic.Int64
	var highest atomic.Uint64
	var seen events
	var working sync.WaitGroup
	for range processes {
		b := c.process(t)
		for range workers {
			m := newMutex(t, b, key, mutex.Config{TTL: long, Observer: seen.observe})
			working.Go(func() {
				for ctx.Err() == nil {
					_, err := mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
						lock, _ := mutex.FromContext(ctx)
						assert.EqualValues(t, 1, inside.Add(1), "two are inside")
						assert.Less(t, highest.Swap(lock.Token()), lock.Token())
						worked.Add(1)
						inside.Add(-1)
						return effect.Void{}, nil
					})(context.WithoutCancel(ctx))
					assert.NoError(t, err)
				}
			})
		}
	}
	for range moves {
		before := worked.Load()
		m := c.Migrate(t, lockKey, c.other(t, key).Server)
		m.MoveKeys()
		m.Finish()
		eventually(t, func() bool { return worked.Load() > before+processes*workers }, "they go on")
	}
	stop()
	working.Wait()
	assert.Zero(t, seen.seen(mutex.Lost), "%v", seen.lastError(mutex.Lost))
	assert.Zero(t, seen.seen(mutex.NotAcquired))
	c.assertFree(t)
}

// A master that answers nothing is noticed by those whose locks it has, and by
// nobody else: others get locks, keep them, wait for them and let them go, through
// the same backing.
func TestHazard36_AFrozenMasterHoldsUpItsOwnLocksAlone(t *testing.T) {
	t.Parallel()
	// The others serve what they have, and wait for a minute before they give it up.
	c := newCluster(t, "--cluster-require-full-coverage", "no", "--cluster-node-timeout", "60000")
	const each = 6
	frozen, fine := c.masters[0], c.masters[1:]
	b, far := c.process(t), c.process(t)
	config := mutex.Config{TTL: 6 * time.Second, RefreshInterval: time.Second}
	lost := contend(t, b, c.ownedBy(t, frozen, 1)[0], config)
	lost.enters(t, patience)
	var kept, waiters []*contender
	var free []string
	for _, s := range fine {
		names := c.ownedBy(t, s, 2*each)
		free = append(free, names[each:]...)
		for _, name := range names[:each] {
			who := contend(t, b, name, config) // refreshed together with the one that is lost
			who.enters(t, patience)
			kept = append(kept, who)
			waiter := contend(t, far, name, config)
			waiter.waits(t)
			waiters = append(waiters, waiter)
		}
	}
	frozen.Freeze()
	defer frozen.Thaw()
	began := time.Now()
	for _, name := range free {
		_, err := mutex.WithLock(newMutex(t, b, name, config), effect.Succeed(effect.Void{}))(t.Context())
		assert.NoError(t, err)
	}
	assert.Less(t, time.Since(began), 2*little, "acquire and release")
	loss := lossOf(t, lost.gone(t, patience))
	assert.Equal(t, mutex.Expired, loss.Reason)
	assert.Error(t, loss.Cause)
	for i, who := range kept {
		assert.Zero(t, who.seen(mutex.Lost))
		assert.Zero(t, who.seen(mutex.BackingFailed), "%v", who.lastError(mutex.BackingFailed))
		who.letsGo(t)
		waiters[i].enters(t, bound+little)
		waiters[i].letsGo(t)
	}
}

// Who lets go waits first for the end of the refresh that is under way. If that is
// one of many leases, of which one is on the frozen master, it ends when it is given
// up, after 2 s: that much all of them may be held up, and no more.
func TestHazard36_AReleaseWaitsForARefreshOnAFrozenMasterNoLongerThanThatLasts(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "--cluster-require-full-coverage", "no", "--cluster-node-timeout", "60000")
	b := c.process(t)
	g := newGauge(b, b)
	var all []*contender
	for _, name := range append(c.ownedBy(t, c.masters[0], 1), c.ownedBy(t, c.masters[1], 20)...) {
		all = append(all, contend(t, g, name, mutex.Config{TTL: 12 * time.Second, RefreshInterval: 3 * time.Second}))
	}
	for _, who := range all {
		who.enters(t, patience)
	}
	c.masters[0].Freeze()
	defer c.masters[0].Thaw()
	g.inFlight(t, 2) // the others are over too soon to be seen
	began := time.Now()
	for _, who := range all[1:] {
		who.letsGo(t)
	}
	assert.Less(t, time.Since(began), 2*time.Second+little)
}
