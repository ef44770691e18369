package hazards_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A holder that is killed publishes nothing. The waiter knows when its lease ends,
// and asks then, and every 1.5 s.
func TestHazard24_TheLockOfAKilledProcessIsHadWhenItsLeaseEnds(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	o := orders{Addr: s.Addr(), TTL: 2 * time.Second}
	holder := launch(t, o)
	first := holder.says("inside", patience)
	waiter := launch(t, o)
	waiter.says("waiting", patience)

	holder.kill()
	asked, earliest := s.scripts(t), time.Now()
	left := s.ttl(t, key)
	latest := time.Now().Add(left)
	earliest = earliest.Add(left - time.Millisecond) // the server rounds

	next := waiter.says("inside", left+little)
	assert.True(t, time.Now().After(earliest), "before the lease had ended")
	assert.Less(t, time.Since(latest), little)
	assert.Greater(t, next.Token, first.Token)
	assert.LessOrEqual(t, s.scripts(t)-asked, 4, "it polled")
	waiter.dismiss()
	s.assertFree(t)
}
