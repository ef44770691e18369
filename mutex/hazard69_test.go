package mutex_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// A program keeps a lock and its store in package variables, and each of its tests has a
// virtual clock of its own.
func TestHazard69_ALockIsKeptThatWasUsedInAnotherBubbleBefore(t *testing.T) {
	for name, inFirst := range map[string]bool{"used in no bubble": false, "made in the first": true} {
		t.Run(name, func(t *testing.T) {
			var m *mutex.Mutex
			create := func() { m = newMutex(t, memory.New(), mutex.Config{}) }
			if !inFirst {
				create()
				_, err := mutex.WithLock(m, effect.Succeed(1))(t.Context()) // which leaves a timer
				require.NoError(t, err)
			}
			for _, idle := range []time.Duration{0, time.Hour, 0} {
				synctest.Test(t, func(t *testing.T) {
					if m == nil {
						create()
					}
					time.Sleep(idle)
					holder := locker(t, m, sleep(3*ttl))
					arrived()
					waiter := locker(t, m, sleep(3*ttl))
					join(t, holder, waiter)
				})
			}
		})
	}
}
