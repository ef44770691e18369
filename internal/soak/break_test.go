package soak_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ailment is a way to break something.
type ailment struct {
	name   string
	where  int // the first place that it may befall, or everywhere
	length time.Duration
	begin  func(c *chaos, place int) // nil: nothing
	end    func(c *chaos, place int) // likewise
}

var ailments = []ailment{
	{"killed", elders, 0, (*chaos).replace, nil},
	{"stopped", 0, 2 * longest, func(c *chaos, i int) { c.now[i].stop() }, func(c *chaos, i int) { c.now[i].resume() }},
	{"cut", 0, 5 * time.Second, func(c *chaos, i int) { c.proxies[i].Cut() }, (*chaos).mend},
	{"replies cut", 0, 5 * time.Second, func(c *chaos, i int) { c.proxies[i].CutReplies() }, (*chaos).mend},
	{"reset", 0, 0, func(c *chaos, i int) { c.proxies[i].Reset() }, nil},
	{"replies dropped", 0, 3 * time.Second, func(c *chaos, i int) { c.proxies[i].DropReplies(1+c.random.IntN(20), "") }, (*chaos).mend},
	{"all replies dropped", 0, 2 * time.Second, func(c *chaos, i int) { c.proxies[i].DropReplies(-1, "") }, (*chaos).mend},
	{"delayed", 0, 4 * time.Second, func(c *chaos, i int) {
		c.proxies[i].Delay(time.Duration(5+c.random.IntN(500)) * time.Millisecond)
	}, (*chaos).mend},
	{"notifications dropped", 0, 5 * time.Second, func(c *chaos, i int) { c.proxies[i].DropNotifications(func() bool { return true }) }, (*chaos).mend},
	{"frozen", everywhere, 2500 * time.Millisecond, func(c *chaos, _ int) { c.server.Freeze() }, func(c *chaos, _ int) { c.server.Thaw() }},
	{"restarted", everywhere, 0, (*chaos).restart, nil},
	{"scripts flushed", everywhere, 0, func(c *chaos, _ int) { c.command("SCRIPT", "FLUSH") }, nil},
	{"connections killed", everywhere, 0, func(c *chaos, _ int) { c.command("CLIENT", "KILL", "TYPE", "normal") }, nil},
	{"subscriptions killed", everywhere, 0, func(c *chaos, _ int) { c.command("CLIENT", "KILL", "TYPE", "pubsub") }, nil},
	{"deleted", everywhere, 0, func(c *chaos, _ int) { c.deleteOne(0) }, nil},
}

// breakSomething breaks something that is whole.
func (c *chaos) breakSomething() {
	c.t.Helper()
	sick := 0
	for place := range places {
		if c.isSick(place) {
			sick++
		}
	}
	var place int
	which, ok := c.deck.deal(len(ailments), c.random.Shuffle, func(i int) bool {
		a := ailments[i]
		if a.where == everywhere {
			place = everywhere
			return !c.isSick(everywhere)
		}
		place = a.where + c.random.IntN(places-a.where)
		return !c.isSick(place) && sick < sickest
	})
	if !ok {
		return
	}
	a := ailments[which]
	length := a.length
	if length > 0 {
		length = 100*time.Millisecond + time.Duration(c.random.Int64N(int64(length)))
	}
	c.begin(fault{Kind: a.name, Place: place}, length, func() { a.begin(c, place) }, func() {
		if a.end != nil {
			a.end(c, place)
		}
	})
}

func (c *chaos) mend(place int) { c.proxies[place].Heal() }

// replace kills a process and launches another in its place.
func (c *chaos) replace(place int) {
	p := c.now[place]
	p.isAlive()
	p.kill()
	c.launch(place)
	c.await(c.now[place], "ready")
}

// restart kills the server and starts it again. What it has to read then is made
// short before, while it serves.
func (c *chaos) restart(int) {
	c.t.Helper()
	c.command("BGREWRITEAOF")
	for running := "1"; running != "0"; time.Sleep(time.Millisecond) {
		info, err := c.direct.InfoMap(context.Background(), "persistence").Result()
		require.NoError(c.t, err)
		running = info["Persistence"]["aof_rewrite_in_progress"]
	}
	c.server.Restart()
}

func (c *chaos) command(args ...any) {
	c.t.Helper()
	require.NoError(c.t, c.direct.Do(context.Background(), args...).Err(), "%v", args)
}

// deleteOne deletes a lock that is held, of the key or a later one, and notes who had
// it, and the last token that the server had given by then. A waiter for which a lock is
// only reserved has a higher token later, and loses nothing.
func (c *chaos) deleteOne(first uint16) {
	c.t.Helper()
	held := slices.DeleteFunc(c.keys(locks), func(lock string) bool { return keyOf(c.t, lock) < first })
	if len(held) == 0 {
		return
	}
	lock := held[c.random.IntN(len(held))]
	found, err := c.direct.Eval(context.Background(), `
		local holder = redis.call('GET', KEYS[1])
		if not holder then return {'', ''} end
		redis.call('DEL', KEYS[1])
		return {holder, redis.call('GET', KEYS[2])}`, []string{lock, fence}).StringSlice()
	require.NoError(c.t, err)
	if found[0] == "" {
		return // it was released just then
	}
	f := &c.faults[len(c.faults)-1]
	f.Key, f.Holder, f.Token = keyOf(c.t, lock), hashed(found[0]), uint64(number(c.t, found[1]))
}

// What the server has of the locks, as patterns; in one that is no Cluster, all locks
// have one fence.
const (
	locks    = "dmutex:soak-*"
	queues   = "dmutex:{dmutex:soak-*}~queue"
	released = "dmutex:{dmutex:soak-*}~released:*"
	fence    = "dmutex:{3560}~fence"
)

// keyOf is the opposite of lockOf, for the name that a lock has in the server.
func keyOf(t *testing.T, lock string) uint16 {
	t.Helper()
	return uint16(number(t, lock[strings.LastIndex(lock, "-")+1:]))
}

// keys are the server's keys that match.
func (c *chaos) keys(pattern string) (all []string) {
	c.t.Helper()
	ctx := context.Background()
	for cursor := uint64(0); ; {
		some, next, err := c.direct.Scan(ctx, cursor, pattern, 1000).Result()
		require.NoError(c.t, err)
		all = append(all, some...)
		if cursor = next; cursor == 0 {
			slices.Sort(all)
			return slices.Compact(all)
		}
	}
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	require.NoError(t, err)
	return n
}
