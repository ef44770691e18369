package hazards_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// Every eighth holder stays for a moment, in which its lease is refreshed: so many
// locks are let go while a refresh is due or under way.
//
// It is not parallel, because it is the one that keeps both server and client busy.
func TestHazard19_AfterManyAcquiresAndReleasesNothingIsRenewed(t *testing.T) {
	const times, goroutines, keys = 100_000, 64, 32
	s := newStore(t)
	b := s.process(t)
	g := newGauge(b, b)

	var begun atomic.Int64
	var running sync.WaitGroup
	for n := range goroutines {
		m, err := mutex.New(g, fmt.Sprint("k", n%keys), mutex.Config{TTL: 10 * time.Second, RefreshInterval: time.Millisecond})
		require.NoError(t, err)
		running.Go(func() {
			for i := begun.Add(1); i <= times; i = begun.Add(1) {
				_, err := mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
					if i%8 == 0 {
						return effect.Sleep(rand.N(3 * time.Millisecond))(ctx)
					}
					return effect.Void{}, nil
				})(t.Context())
				if !assert.NoError(t, err) {
					return
				}
			}
		})
	}
	running.Wait()

	s.assertFree(t)
	refreshes, early := g.counted()
	assert.Greater(t, refreshes, times/100, "too few for a trial")
	assert.Zero(t, early, "released while its refresh was under way")
	before := s.scripts(t)
	time.Sleep(300 * time.Millisecond) // as many intervals
	assert.Equal(t, before, s.scripts(t), "the server is still asked for something")
	s.assertFree(t)
}
