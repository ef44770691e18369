package hazards_test

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// Nothing listens, so no request can have arrived: a caller has what is left of its time,
// and there is nothing to clean up. Without a deadline, what go-redis makes of one request is
// all: a client that dials once fails at once.
func TestHazard61_ACallersDeadlineIsKeptThoughTheServerRefuses(t *testing.T) {
	t.Parallel()
	for name, began := range map[string]bool{"from the start": false, "after it has answered": true} {
		t.Run(name, func(t *testing.T) { // one after the other: clients that look for a server keep a machine busy
			t.Cleanup(func() { eventually(t, func() bool { return !isDialling() }, "clients that are closed do not dial") })
			s := newTrainedStore(t)
			all := backings(t, s.Addr(), began)
			s.Kill()
			for _, b := range all {
				forgetConnections(t, b)
			}
			calls, late := callAll(t, all, []string{"Acquire", "WithLockIfAvailable", "IsLocked"}, 25*time.Millisecond, request, 0)
			for _, c := range calls {
				otherwise := request
				if c.client == "once" {
					otherwise = 0
				}
				c.keepsDeadline(t, otherwise, late)
				require.Error(t, c.err, "%v", c)
				// go-redis dials up to twenty times for a question, or an acknowledged request,
				// and five times for another: it has failed once in 2 s, unless the machine is busy.
				_, acquires := acquiring[c.way]
				if late < overrun && c.deadline != 25*time.Millisecond && (acquires && c.client != "acknowledged" || c.client == "once") {
					assert.ErrorContains(t, c.err, "connection refused", "%v", c)
				}
				if late < overrun && c.client == "once" {
					assert.Zero(t, c.cleanups, "%v", c)
				}
			}
		})
	}
}

// Of what was not sent nothing is left. A request that others share a round trip with may be sent
// as long as they wait for it, and of the two commands of an acknowledged one go-redis does not
// say which it has sent: those are cleaned up.
func TestHazard61_WhatWasNotSentIsNotCleanedUp(t *testing.T) {
	t.Parallel()
	t.Cleanup(func() { eventually(t, func() bool { return !isDialling() }, "clients that are closed do not dial") })
	s := newTrainedStore(t)
	all := backings(t, s.Addr(), false)
	delete(all, "acknowledged")
	s.Kill()
	var running sync.WaitGroup
	for client, b := range all {
		c := newCall(t, b, call{client: client, way: "WithLock", deadline: request})
		time.Sleep(apart)
		running.Go(func() {
			c := c()
			assert.ErrorContains(t, c.err, "connection refused", "%v", c)
			assert.Zero(t, c.cleanups, "%v", c)
			ended := time.Now()
			_, err := mutex.AwaitCleanup(b)(t.Context())
			assert.NoError(t, err)
			assert.Less(t, time.Since(ended), little, "%v: there is nothing to wait for", c)
		})
	}
	running.Wait()
}

// forgetConnections has the client find the connections broken that it keeps: what is sent on
// one of those may have been received, for all that it knows.
func forgetConnections(t *testing.T, b *redis.Backing) {
	t.Helper()
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := b.IsLocked(ctx, key)
		cancel()
		require.Error(t, err)
	}
}

// isDialling reports whether go-redis still looks for a server: it looks once a second whether
// its client is closed.
func isDialling() bool {
	stacks := make([]byte, 1<<22)
	return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "tryDial")
}
