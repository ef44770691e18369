package hazards_test

import (
	"context"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// oblivious is a process whose server never knows a script that it is asked to run.
func (s store) oblivious() *redis.Backing {
	c := s.client(goredis.Options{})
	c.AddHook(answering(func(goredis.Cmder) bool {
		s.direct.ScriptFlush(context.Background())
		return false
	}))
	return redis.New(c)
}

// Each request finds a server that does not know its script: to acquire locks, refresh
// them together and one by one, wait, hand over and release.
func TestHazard30_AServerThatForgetsItsScriptsBeforeEachRequestIsNotNoticed(t *testing.T) {
	t.Parallel()
	const many = 20
	s := newStore(t)
	b := spyOn(t, s.oblivious())
	c := mutex.Config{TTL: long, RefreshInterval: short}
	all := s.crowd(b, many, c)
	holder := s.hold(b, c)
	inside := s.wait(b, c)
	outside := s.want(s.oblivious(), c)
	s.awaitQueue(1)
	b.inFlight(2)
	b.refreshes()
	for _, who := range []*contender{holder, inside, outside} {
		who.takesTurn()
	}
	alone := spyOn(t, s.oblivious())
	last := s.hold(alone, c)
	alone.refreshes()
	last.letsGo()
	for _, who := range all {
		who.letsGo()
	}
	for _, who := range append(all, holder, inside, outside, last) {
		who.assertQuiet()
	}
	assert.Greater(t, s.unknown(), many, "the server knew its scripts, so this test tests nothing")
	s.assertFree()
}

// A restarted server has its keys, but no scripts.
func TestHazard30_ARestartWithTheDataCostsNobodyTheLock(t *testing.T) {
	t.Parallel()
	s := newStore(t, "--appendonly", "yes", "--appendfsync", "always")
	b := spyOn(t, s.process())
	holder := s.hold(b, mutex.Config{TTL: long, RefreshInterval: short})
	waiters := []*contender{s.rival(), s.rival()}
	s.Restart()
	b.refreshes()
	s.awaitListeners(2)
	holder.letsGo()
	serve(t, waiters...)
	assert.Positive(t, s.unknown())
	s.assertFree()
}
