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
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
	"github.com/effectlock/effectlock/schedule"
)

// Everything that the library stores or subscribes to for a lock is in the slot of the lock's
// own key, whatever the key is: otherwise the servers would refuse.
func TestHazard36_AllKeysAndTheChannelOfALockAreInOneSlot(t *testing.T) {
	t.Parallel()
	c := sharedCluster(t)
	for _, shape := range []string{"%s", "{tag}%s", "%s}{", "{}%s{tag}", "a{%s}b"} {
		name := fmt.Sprintf(shape, newKey())
		b := c.process()
		holder := c.holdKey(name, b)
		inside, outside := c.wantKey(name, b), c.wantKey(name, c.process())
		inside.waits()
		outside.waits()
		holder.letsGo()
		serve(t, inside, outside)
		for _, who := range []*contender{holder, inside, outside} {
			who.assertQuiet()
		}
		for _, s := range c.masters {
			for _, k := range s.keys("*" + name + "*") {
				assert.Equal(t, s.slotOf(lockKey(name)), s.slotOf(k), "%q", k)
			}
		}
	}
	c.assertFree()
}

// The slot moves to another master while the lock is held, refreshed and waited for. A holder
// that releases meanwhile must wait until all keys have arrived.
func TestHazard36_ALockIsKeptAndHandedOverWhileItsSlotMoves(t *testing.T) {
	t.Parallel()
	stages := []string{"announced", "half moved", "moved", "afterwards"}
	for at, stage := range stages {
		t.Run("it is let go "+stage, func(t *testing.T) {
			t.Parallel()
			c := sharedCluster(t)
			b := spyOn(t, c.process())
			holder := c.hold(b, mutex.Config{TTL: long, RefreshInterval: short})
			near := c.wait(b)
			far := c.rival()
			to := c.other(c.key)
			var m *redistest.Migration
			for i, step := range []func(){
				func() { m = c.Migrate(t, lockKey(c.key), to.Server) },
				func() { m.MoveKeys() },
				func() { m.Finish() },
			} {
				moves(step)
				switch {
				case i < at:
					b.refreshes() // the holder finds its keys, wherever they are
				case i == at:
					close(holder.leave)
				}
				if i == at && i < 2 { // one of the keys of a release is never there before
					holder.awaits(mutex.BackingFailed)
					assert.ErrorContains(t, holder.lastError(mutex.BackingFailed), "TRYAGAIN")
					assert.False(t, backing.IsPermanent(holder.lastError(mutex.BackingFailed)))
				}
			}
			if at == len(stages)-1 {
				close(holder.leave)
			}
			require.NoError(t, holder.gone())
			assert.Equal(t, 1, holder.seen(mutex.Released))
			near.takesTurn()
			// A waiter whose subscription was still on its way to the new master at its turn is
			// passed over, and a later waiter may be first.
			serve(t, far, c.want(c.process()))
			c.assertFree()
		})
	}
}

// Many contenders work under locks of one slot while the slot goes round from master to master, and
// is half moved for a while each time.
func TestHazard49_ProcessesTakeTurnsAtLocksWhoseSlotMoves(t *testing.T) {
	t.Parallel()
	c := sharedCluster(t)
	var names []string
	for i := range 3 {
		names = append(names, fmt.Sprintf("{%s}%d", c.key, i))
	}
	all := c.takeTurns(names, c.process(), c.process(), c.process())
	all.each(1)
	for range 3 {
		m := c.Migrate(t, lockKey(names[0]), c.other(names[0]).Server)
		for i, k := range m.Keys() {
			if i%2 == 0 {
				moves(func() { m.MoveKey(k) })
			}
		}
		time.Sleep(short)
		moves(m.Finish)
		all.each(2)
	}
	all.stop()
	c.assertFree()
}

// A slot may be half moved for longer than a lease: a server with many keys takes its time. The
// lock is still refreshed, wherever its key is.
func TestHazard49_ALockIsRefreshedForAsLongAsItsSlotIsHalfMoved(t *testing.T) {
	t.Parallel()
	for name, goes := range map[string]func(isLock bool) bool{
		"the lock alone has moved":  func(isLock bool) bool { return isLock },
		"all but the lock has gone": func(isLock bool) bool { return !isLock },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := sharedCluster(t)
			b := spyOn(t, c.process())
			holder := c.hold(b, mutex.Config{TTL: long, RefreshInterval: short})
			waiter := c.rival()
			m := c.Migrate(t, lockKey(c.key), c.other(c.key).Server)
			for _, k := range m.Keys() {
				if goes(k == lockKey(c.key)) {
					moves(func() { m.MoveKey(k) })
				}
			}
			for range 3 {
				b.refreshes()
			}
			moves(m.Finish)
			b.refreshes()
			holder.letsGo()
			waiter.takesTurn()
			c.assertFree()
		})
	}
}

// A master that does not answer affects the holders of its own locks and nobody else: others acquire
// locks, keep them, wait for them and release them through the same backing, even if they are
// refreshed together with those.
func TestHazard36_AFrozenMasterHoldsUpItsOwnLocksAlone(t *testing.T) {
	t.Parallel()
	// The other masters keep serving their slots, and wait for a minute before they give up.
	c := newCluster(t, "--cluster-require-full-coverage", "no", "--cluster-node-timeout", "60000")
	const each = 5
	config := mutex.Config{TTL: 3 * lease, RefreshInterval: lease / 3}
	b, far := spyOn(t, c.process()), c.process()
	lost := c.holdKey(c.ownedBy(c.masters[0], 1)[0], b, config)
	var kept, waiters []*contender
	names := c.ownedBy(c.masters[1], 2*each)
	for _, name := range names[:each] {
		kept = append(kept, c.holdKey(name, b, config)) // refreshed together with the lock that is lost
		waiters = append(waiters, c.wantKey(name, far))
	}
	c.masters[0].Freeze()
	defer c.masters[0].Thaw()
	b.inFlight(2)
	for _, name := range names[each:] {
		_, err := mutex.WithLock(newMutex(t, b, name, config), nothing)(t.Context())
		assert.NoError(t, err)
	}
	lost.loses(mutex.Expired)
	assert.Error(t, lost.loss.Cause)
	for i, who := range kept {
		who.letsGo()
		waiters[i].takesTurn()
	}
}

// countingClient is a client of a program that counts its commands.
type countingClient struct {
	goredis.UniversalClient
	commands *atomic.Int64
}

func (c countingClient) Process(ctx context.Context, cmd goredis.Cmder) error {
	c.commands.Add(1)
	return c.UniversalClient.Process(ctx, cmd)
}

// A client of the user's own type shows no more of a Cluster's client than the interface does. Some
// of the locks are on other masters than the one that the process happens to be subscribed to.
// Another process has a client that is not wrapped.
func TestHazard46_TwoNeverHoldALockWhateverTheClustersClientIsWrappedIn(t *testing.T) {
	t.Parallel()
	c := sharedCluster(t)
	var names []string
	for _, master := range c.masters {
		names = append(names, c.ownedBy(master, 1)...)
	}
	embedded := struct{ goredis.UniversalClient }{c.Client(t)}
	counted, twice := countingClient{c.Client(t), &atomic.Int64{}}, countingClient{embedded, &atomic.Int64{}}
	all := c.takeTurns(names, redis.New(embedded), redis.New(counted), redis.New(twice), c.process())
	all.each(1) // a polling waiter rarely comes before those that are woken
	all.stop()
	assert.Positive(t, counted.commands.Load(), "it went round its own client")
	assert.Positive(t, twice.commands.Load(), "it went round its own client")
	c.assertFree()
}

// A client for a single server does not follow a redirection, however often it asks for the
// lock. Keys of the node itself can be locked.
func TestHazard54_APlainClientAtANodeOfAClusterIsToldAtOnce(t *testing.T) {
	t.Parallel()
	c := sharedCluster(t)
	here := c.key
	node := c.owner(here)
	elsewhere := c.ownedBy(c.other(here), 1)[0]
	for from, b := range map[string]*redis.Backing{"New": node.process(), "FromURL": fromURL(t, node.URL())} {
		for way, operation := range operations(neverRuns(t)) {
			_, err := operation(newMutex(t, b, elsewhere, mutex.Config{}))(t.Context())
			assertIsClusters(t, err)
			assert.True(t, backing.IsPermanent(err), "%s, %s: %v", way, from, err)
		}
		_, err := mutex.WithLock(newMutex(t, b, here, mutex.Config{}), nothing)(t.Context())
		assert.NoError(t, err)
	}
	c.assertFree()
}

// A type of the user's own may wrap the client of a Cluster, which gives up for now while slots
// move. So its redirections are temporary failures, and say what else may be wrong.
func TestHazard54_ARedirectionThroughAnUnknownClientMayPass(t *testing.T) {
	t.Parallel()
	c := sharedCluster(t)
	b := redis.New(struct{ goredis.UniversalClient }{c.other(c.key).client(goredis.Options{})})
	m := newMutex(t, b, c.key, mutex.Config{BackingFailureRetryPolicy: schedule.Recurs(2)})
	_, err := mutex.WithLock(m, nothing)(t.Context())
	assertIsClusters(t, err)
	assert.False(t, backing.IsPermanent(err), "%v", err)
	c.assertFree()
}

// assertIsClusters asserts that err says which client to use, and wraps the server's answer.
func assertIsClusters(t *testing.T, err error) {
	t.Helper()
	var failed *mutex.MutexBackingError
	require.ErrorAs(t, err, &failed)
	setup, ok := errors.AsType[*redis.SetupError](err)
	require.True(t, ok, "%v", err)
	assert.Contains(t, setup.Advice, "redis.NewClusterClient")
	_, moved := goredis.IsMovedError(setup.Err)
	assert.True(t, moved, "%v", setup.Err)
}

// fromURL returns a Backing that lasts as long as the test. The server must answer at first.
func fromURL(t *testing.T, url string) *redis.Backing {
	t.Helper()
	made, done := make(chan *redis.Backing, 1), make(chan struct{})
	fiber, err := effect.Fork(effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
		return func(ctx context.Context) (none effect.Void, err error) {
			b, err := redis.FromURL(url)(s)(ctx)
			made <- b
			if err == nil {
				<-done
			}
			return none, err
		}
	}))(context.Background())
	require.NoError(t, err)
	b := receive(t, made, "the backing")
	t.Cleanup(func() {
		close(done)
		_, err := fiber.Join()(context.Background())
		assert.NoError(t, err)
	})
	require.NotNil(t, b)
	return b
}
