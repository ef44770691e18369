package contention_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

const (
	// patience is several times what the longest trial needs.
	patience = 2 * time.Minute

	look = 5 * time.Millisecond // how often a condition is looked at
)

// A trial is a run of worker processes. It lasts until the increments are
// acknowledged and the kills are done, each at least so many.
type trial struct {
	processes    int
	increments   int
	kills        int
	killedInside int           // of the kills, those that hit a holder at work
	every        time.Duration // the time between two kills, if there are any
	lock         target
	flaw         string
	poll         bool // without push
	ttl          time.Duration
	slow         time.Duration // how long a few of the turns may last
	failovers    int           // after the last of which everybody must be served
	failOver     func()
}

// run returns the history of the trial. A trial that does not come to its end
// has failed, and has a history all the same: it may show why.
func (tr trial) run(t *testing.T, server *redistest.Server) history {
	t.Helper()
	ctx, began, data := t.Context(), time.Now(), server.Client(t)
	require.NoError(t, data.FlushAll(ctx).Err())

	c := newCrew(t)
	a := assignment{Data: server.Addr(), Lock: tr.lock, Flaw: tr.flaw, Poll: tr.poll, TTL: tr.ttl, Slow: tr.slow}
	for range tr.processes {
		c.hire(a)
	}
	kills, inside, due := 0, 0, began.Add(tr.every)
	failovers, before, next := 0, 0, began.Add(time.Second)
	for c.acknowledged() < tr.increments || kills < tr.kills || inside < tr.killedInside || failovers < tr.failovers || !c.served(before) {
		if time.Since(began) > patience+time.Duration(failovers)*patience/10 || len(c.heard()) > 3*max(tr.increments, c.acknowledged()) {
			t.Errorf("given up: of %d attempts %d succeeded", len(c.heard()), c.acknowledged())
			break
		}
		if tr.kills > 0 && time.Now().After(due) {
			victim := c.working[0]
			// By chance alone few would be killed inside. More than every
			// fourth would leave the others little but waiting for leases to end.
			if kills%4 == 1 {
				waitUntilInside(ctx, t, data, victim, due.Add(tr.every/2))
			}
			require.NoError(t, record(ctx, data, entry{Kind: kill, Process: victim.name}))
			c.kill(victim)
			c.hire(a)
			kills, due = kills+1, due.Add(tr.every)
			// A holder that is killed has nobody after it yet.
			if entered(journal(ctx, t, data, -2), victim) {
				inside++
			}
		}
		if failovers < tr.failovers && time.Now().After(next) {
			tr.failOver()
			failovers, before, next = failovers+1, len(c.heard()), time.Now().Add(rand.N(1500*time.Millisecond))
		}
		require.NoError(t, pause(ctx, look))
	}
	c.dismiss()
	h := history{reports: c.heard(), journal: journal(ctx, t, data, 0)}
	var err error
	h.final, err = data.Get(ctx, counterKey).Int()
	require.NoError(t, err)
	t.Logf("%v, in %.1f s", h.figures(), time.Since(began).Seconds())
	for _, r := range h.failures(20) {
		t.Logf("%+v", r)
	}
	return h
}

// waitUntilInside waits until the process holds the lock and works, but no
// longer than to the given time.
func waitUntilInside(ctx context.Context, t *testing.T, data *goredis.Client, p *process, latest time.Time) {
	t.Helper()
	for time.Now().Before(latest) && !entered(journal(ctx, t, data, -1), p) {
		require.NoError(t, pause(ctx, 200*time.Microsecond))
	}
}

// entered reports whether the entries begin with a holder in p that enters.
func entered(entries []entry, p *process) bool {
	return len(entries) > 0 && entries[0].Kind == enter && entries[0].Process == p.name
}

// journal reads the entries from an index on, which may count from the end.
func journal(ctx context.Context, t *testing.T, data *goredis.Client, from int64) []entry {
	t.Helper()
	lines, err := data.LRange(ctx, journalKey, from, -1).Result()
	require.NoError(t, err)
	entries := make([]entry, len(lines))
	for i, line := range lines {
		require.NoError(t, json.Unmarshal([]byte(line), &entries[i]))
	}
	return entries
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
