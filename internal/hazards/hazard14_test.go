package hazards_test

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
)

// The process does not know that it was stopped. Its context says so at once; what
// it writes before it looks is refused by its token. Between two stops it holds
// the lock for several leases: what counts is the last refresh.
func TestHazard14_AProcessThatWasStoppedForLongerThanItsLeaseIsCancelledAndFencedOff(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	doc := register{s.direct}
	a := launch(t, orders{Addr: s.Addr(), TTL: 2 * time.Second})
	stale := a.says("inside", patience).Token
	assert.True(t, doc.write(t, stale))
	a.isSilent(3 * time.Second)

	a.stop()
	b := contend(t, s.process(t), key, mutex.Config{TTL: long})
	b.enters(t, patience)
	assert.Greater(t, b.token, stale)
	assert.True(t, doc.write(t, stale), "nobody has written since: a resource can tell no more")
	assert.True(t, doc.write(t, b.token))

	a.resume()
	assert.False(t, doc.write(t, stale), "a stale write was accepted")
	a.says("cancelled", little)
	assert.Contains(t, a.says("ended", patience).Error, "was lost ("+mutex.Expired+")")
	assert.False(t, doc.write(t, stale), "a stale write was accepted")
	assert.True(t, doc.write(t, b.token))
	s.assertOf(t, b)
	b.letsGo(t)
}

// A process that goes on in time has lost nothing: its refreshes go on.
func TestHazard14_AProcessThatWasStoppedForLessThanItsLeaseKeepsTheLock(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := launch(t, orders{Addr: s.Addr(), TTL: 10 * time.Second})
	a.says("inside", patience)
	a.stop()
	time.Sleep(2 * time.Second)
	a.resume()
	a.isSilent(2 * time.Second)
	a.dismiss()
	s.assertFree(t)
}

// register is a resource that refuses tokens lower than the highest it has seen.
type register struct{ client *goredis.Client }

// A Lua number has room for the microseconds of the next two centuries.
var fenced = goredis.NewScript(`
if tonumber(ARGV[1]) < tonumber(redis.call('GET', KEYS[1]) or '0') then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1])
return 1`)

// write reports whether a write with that token was accepted.
func (r register) write(t *testing.T, token uint64) bool {
	t.Helper()
	accepted, err := fenced.Run(t.Context(), r.client, []string{"register"}, token).Bool()
	require.NoError(t, err)
	return accepted
}
