package histories_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

const (
	lengthVariable = "EFFECTLOCK_HISTORIES"
	seedVariable   = "EFFECTLOCK_HISTORIES_SEED"
)

// world is a run of worker processes.
type world struct {
	processes, clients, keys int
	length                   time.Duration        // at least
	operations               int                  // at least
	harm                     func(s *saboteur)    // now and then
	every                    time.Duration        // about
	enough                   func(f figures) bool // what else must have happened
}

// run returns the history of the world. A world that does not come to its end has
// failed, and has a history all the same: it may show why.
func (w world) run(t *testing.T) history {
	t.Helper()
	began, seed := now(), seedFor(t)
	server, data := redistest.Start(t), redistest.Start(t)
	plan := assignment{Seed: seed, Clients: w.clients, TTL: 500 * time.Millisecond, Locks: server.Addr(), Data: data.Addr()}
	for i := range w.keys {
		plan.Keys = append(plan.Keys, fmt.Sprintf("key%d", i))
	}
	pulse := feel(t, server)
	s := &saboteur{
		t: t, server: server, direct: server.Client(t),
		crew:   newCrew(t, w.processes, plan),
		random: rand.New(rand.NewPCG(seed, 0)),
		did:    map[string]int{},
	}
	limit := w.length + time.Duration(w.operations)*10*time.Millisecond + 2*time.Minute
	for {
		s.wait(s.between(w.every/2, w.every*3/2))
		n := s.crew.operations()
		if now().since(began) >= w.length && n >= w.operations && w.enough(s.crew.recall(s.faults).figures()) {
			break
		}
		if now().since(began) > limit {
			assert.Fail(t, "given up", "after %d operations in %v", n, limit)
			break
		}
		w.harm(s)
	}
	s.repair(1<<63 - 1)
	s.crew.dismiss()
	h := s.crew.recall(append(s.faults, pulse()...))
	h.Writes = append(h.Writes, lastWrites(t, h.keys(), register{data.Client(t)})...)
	t.Logf("%d processes in %.1f s: %v", s.crew.hired, now().since(began).Seconds(), h.figures())
	t.Logf("faults: %v", s.did)
	return h
}

// lastWrites writes to each register, to be told what it has: by that those writes
// show that had no answer.
func lastWrites(t *testing.T, keys []string, r register) (all []write) {
	t.Helper()
	for i, key := range keys {
		w := write{Process: "test", Key: key, Token: highest, Value: -1 - i, Called: now()}
		var err error
		w.Accepted, w.Before, err = r.write(t.Context(), key, version{w.Token, w.Value})
		require.NoError(t, err)
		w.Returned = now()
		all = append(all, w)
	}
	return all
}

// feel asks a server for a sign of life every moment until the function is called
// that it returns: then it tells when there was none for a while. On a busy machine
// that happens without anybody's order.
func feel(t *testing.T, server *redistest.Server) (stop func() []fault) {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: server.Addr(), ReadTimeout: patience, PoolSize: 1})
	t.Cleanup(func() { _ = c.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	var faults []fault
	var asking sync.WaitGroup
	asking.Go(func() {
		for last := now(); ctx.Err() == nil; {
			time.Sleep(10 * time.Millisecond)
			_ = c.Ping(ctx).Err()
			t := now()
			if t.since(last) > stalled {
				faults = append(faults, fault{stall, "", last, t})
			}
			last = t
		}
	})
	t.Cleanup(func() { cancel(); asking.Wait() })
	return func() []fault {
		cancel()
		asking.Wait()
		return faults
	}
}

// seedFor prints the seed of a run, which can be set.
func seedFor(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if set := os.Getenv(seedVariable); set != "" {
		var err error
		seed, err = strconv.ParseUint(set, 10, 64)
		require.NoError(t, err, seedVariable)
	}
	t.Logf("%s=%d", seedVariable, seed)
	return seed
}

// length is how long a test takes, and of how many operations its history is, unless
// the environment says otherwise.
func length(t *testing.T, d time.Duration, operations int) (time.Duration, int) {
	t.Helper()
	set := os.Getenv(lengthVariable)
	if set == "" {
		return d, operations
	}
	if n, err := strconv.Atoi(set); err == nil {
		return 0, n
	}
	d, err := time.ParseDuration(set)
	require.NoError(t, err, "%s=%q is neither a number of operations nor a duration", lengthVariable, set)
	return d, operations
}
