package mutex_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/mutex"
)

// A program keeps a lock and its store in package variables, and each of its tests has a
// virtual clock of its own.
func TestHazard69_ALockIsKeptThatWasUsedInAnotherBubbleBefore(t *testing.T) {
	for name, inFirst := range map[string]bool{"made in no bubble": false, "made in the first": true} {
		t.Run(name, func(t *testing.T) {
			var m *mutex.Mutex
			create := func() { m = newMutex(t, memory.New(), mutex.Config{}) }
			if !inFirst {
				create()
			}
			for _, idle := range []time.Duration{0, time.Hour, 0} {
				synctest.Test(t, func(t *testing.T) {
					if m == nil {
						create()
					}
					time.Sleep(idle)
					join(t, locker(t, m, sleep(3*ttl)), locker(t, m, sleep(3*ttl)))
				})
			}
		})
	}
}
