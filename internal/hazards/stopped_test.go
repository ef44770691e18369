package hazards_test

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
)

// stoppedInside is a process that is stopped while it has the lock, of a server of its own.
func stoppedInside(t *testing.T) (store, *process) {
	t.Helper()
	s := newStore(t)
	a := s.launch(orders{TTL: time.Second})
	a.says("inside")
	a.Stop()
	return s, a
}

// When A continues, the lock is as free as if nothing had happened: only A's own clock shows
// that it has lost the lock.
func TestHazard12_AProcessThatWasStoppedWhileAnotherCameAndWentHasLost(t *testing.T) {
	t.Parallel()
	s, a := stoppedInside(t)
	s.hold(s.process()).letsGo()
	s.assertFree()
	written := s.ran("set")
	a.Continue()
	a.isLost()
	assert.Equal(t, written, s.ran("set"), "the key was recreated")
	s.assertFree()
}

// When A continues, it releases whatever is left of its lock. By then the lock is B's.
func TestHazard13_ALateReleaseOfAStoppedProcessLeavesTheNextLockAlone(t *testing.T) {
	t.Parallel()
	s, a := stoppedInside(t)
	b := s.hold(s.process())
	asked := s.scripts()
	a.Continue()
	a.isLost()
	assert.Greater(t, s.scripts(), asked, "it has released nothing, so this test tests nothing")
	s.assertHolds(b)
	b.letsGo()
	s.assertFree()
}

// By A's clock the lease still runs: only the store knows better.
func TestHazard13_AReleaseOfALockThatIsAnothersNowIsALoss(t *testing.T) {
	t.Parallel()
	s := sharedStore(t)
	s.expectsTwo()
	a := s.hold(s.process(), mutex.Config{TTL: 10 * long})
	s.deletes(s.key)
	b := s.hold(s.process())
	close(a.leave)
	a.loses(mutex.Taken)
	s.assertHolds(b)
	assert.LessOrEqual(t, s.ttl(s.key), long)
	b.letsGo()
	s.assertFree()
}

// The process does not know that it was stopped. Its context says so at once; its writes
// before it checks are refused because of their token. Before the stop it holds the lock for
// longer than a lease: what counts is the last refresh.
func TestHazard14_AProcessThatWasStoppedForLongerThanItsLeaseIsCancelledAndFencedOff(t *testing.T) {
	t.Parallel()
	s := sharedStore(t)
	doc := register{s}
	a := s.launch(orders{TTL: lease / 2})
	stale := a.says("inside").Token
	assert.True(t, doc.write(stale))
	a.isSilent(lease)
	a.Stop()
	b := s.hold(s.process())
	assert.Greater(t, b.token, stale)
	assert.True(t, doc.write(stale), "nobody has written since, so the resource cannot know")
	assert.True(t, doc.write(b.token))
	a.Continue()
	a.isLost()
	assert.False(t, doc.write(stale), "a stale write was accepted")
	assert.True(t, doc.write(b.token))
	s.assertHolds(b)
	b.letsGo()
}

// A process that continues in time has lost nothing: its refreshes continue too.
func TestHazard14_AProcessThatWasStoppedForLessThanItsLeaseKeepsTheLock(t *testing.T) {
	t.Parallel()
	s := sharedStore(t)
	a := s.launch(orders{TTL: 2 * lease})
	a.says("inside")
	a.Stop()
	time.Sleep(lease / 2)
	a.Continue()
	before := s.ttl(s.key)
	eventually(t, func() bool { now := s.ttl(s.key); defer func() { before = now }(); return now > before }, "the lease is refreshed")
	a.dismiss()
	s.assertFree()
}

// register is a resource that refuses tokens lower than the highest it has seen.
type register struct{ store }

// A Lua number has room for the microseconds of the next two centuries.
var fenced = goredis.NewScript(`
if tonumber(ARGV[1]) < tonumber(redis.call('GET', KEYS[1]) or '0') then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1])
return 1`)

// write reports whether a write with that token was accepted.
func (r register) write(token uint64) bool {
	r.t.Helper()
	accepted, err := fenced.Run(r.t.Context(), r.direct, []string{"register of " + r.key}, token).Bool()
	require.NoError(r.t, err)
	return accepted
}

// Nothing else runs in the process: no timer fires, no refresh is sent, nothing can cancel the
// work. When it returns, it is too late.
func TestHazard17_WorkThatKeptTheKeepAliveFromRunningIsReportedAsLost(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := s.launch(orders{TTL: lease / 10, Spin: lease / 3, Alone: true})
	s.awaitGrant()
	next := s.hold(s.process())
	assert.Equal(t, mutex.Expired, a.says("ended").Lost)
	s.assertHolds(next)
	next.letsGo()
}

// The keep-alive runs now and then: too rarely, or just often enough. Either way, work that
// succeeded had the lock to its end.
func TestHazard17_WorkThatSucceedsBesideBusyLoopsHadTheLockToItsEnd(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]orders{
		"too rarely":         {TTL: 200 * time.Millisecond, Spin: 100 * time.Millisecond, Others: 20},
		"more than it needs": {TTL: 5 * time.Second, Spin: 100 * time.Millisecond, Others: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			a := s.launch(o)
			s.awaitGrant()
			next := s.hold(s.process())
			ended := a.says("ended")
			if ended.Error == "" {
				assert.True(t, ended.Owned, "it succeeded, though another had the lock before its end: %+v", ended)
			} else {
				assert.NotEmpty(t, ended.Lost, "%+v", ended)
			}
			assert.Greater(t, next.token, ended.Token)
			s.assertHolds(next)
			next.letsGo()
		})
	}
}

// awaitGrant waits until somebody has been granted the first lock of a server, even if it has
// released it by now.
func (s store) awaitGrant() {
	s.t.Helper()
	eventually(s.t, func() bool { return len(s.keys(fenceKey)) > 0 }, "somebody had the lock")
}
