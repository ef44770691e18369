package torture_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// card is a way to break something.
type card struct {
	server      bool    // it happens to the server, not to a place
	least, most float64 // how long it lasts, in leases; 0: it is instantaneous
	begin       func(r *round, place int)
	end         func(r *round, place int) // nil: nothing
}

// cards are all the cards.
var cards = map[string]card{
	killing:                 {begin: (*round).replace},
	"stopped briefly":       {least: 0.04, most: 0.5, begin: func(r *round, i int) { r.now[i].Stop() }, end: func(r *round, i int) { r.now[i].Continue() }},
	"stopped":               {least: 1, most: 2, begin: func(r *round, i int) { r.now[i].Stop() }, end: func(r *round, i int) { r.now[i].Continue() }},
	"busy":                  {least: 0.5, most: 2, begin: (*round).busy},
	"cut":                   {least: 0.5, most: 3, begin: func(r *round, i int) { r.proxies[i].Cut() }, end: (*round).mend},
	"replies cut":           {least: 0.04, most: 2, begin: func(r *round, i int) { r.proxies[i].CutReplies() }, end: (*round).mend},
	"cut briefly":           {least: 0.005, most: 0.15, begin: func(r *round, i int) { r.proxies[i].CutReplies() }, end: (*round).mend},
	"reset":                 {begin: func(r *round, i int) { r.proxies[i].Reset() }},
	"replies dropped":       {least: 0.2, most: 0.5, begin: func(r *round, i int) { r.proxies[i].DropReplies(1+r.random.IntN(3), "evalsha") }, end: (*round).mend},
	"all replies dropped":   {least: 0.1, most: 0.7, begin: func(r *round, i int) { r.proxies[i].DropReplies(-1, "") }, end: (*round).mend},
	"delayed":               {least: 0.5, most: 1.5, begin: func(r *round, i int) { r.proxies[i].Delay(r.upTo(r.run.work.longest() / 5)) }, end: (*round).mend},
	"late, then cut":        {least: 1.5, most: 3, begin: (*round).late, end: (*round).mend},
	"notifications dropped": {least: 0.1, most: 2, begin: func(r *round, i int) { r.proxies[i].DropNotifications(func() bool { return true }) }, end: (*round).mend},
	"data cut":              {least: 0.5, most: 2, begin: func(r *round, i int) { r.data[i].Cut() }, end: (*round).mend},
	"all cut":               {least: 1, most: 3, begin: func(r *round, i int) { r.proxies[i].Cut(); r.data[i].Cut() }, end: (*round).mend},

	"frozen":               {server: true, least: 0.04, most: 1.2, begin: func(r *round, _ int) { r.server.Freeze() }, end: func(r *round, _ int) { r.server.Thaw() }},
	"restarted":            {server: true, begin: (*round).restart},
	"scripts flushed":      {server: true, begin: func(r *round, _ int) { r.command("SCRIPT", "FLUSH") }},
	"connections killed":   {server: true, begin: func(r *round, _ int) { r.command("CLIENT", "KILL", "TYPE", "normal") }},
	"subscriptions killed": {server: true, begin: func(r *round, _ int) { r.command("CLIENT", "KILL", "TYPE", "pubsub") }},
	deleting:               {server: true, begin: (*round).deleteOne},
	flushing:               {server: true, begin: func(r *round, _ int) { r.command("FLUSHALL") }},
	"failed over":          {server: true, begin: func(r *round, _ int) { r.failOver() }},
}

// deck deals the cards in random order, each as often as its weight before any repeats.
type deck struct {
	weights map[string]int
	left    []string
}

// deal draws the first card that is possible now. The others keep their places.
func (d *deck) deal(random *rand.Rand, possible func(string) bool) (string, bool) {
	for range 2 {
		if at := slices.IndexFunc(d.left, possible); at >= 0 {
			drawn := d.left[at]
			d.left = slices.Delete(d.left, at, at+1)
			return drawn, true
		}
		var more []string
		for name, weight := range d.weights {
			more = append(more, slices.Repeat([]string{name}, weight)...)
		}
		if len(d.left) >= len(more) {
			break
		}
		slices.Sort(more) // before the shuffle: a map has no order
		random.Shuffle(len(more), func(i, j int) { more[i], more[j] = more[j], more[i] })
		d.left = append(d.left, more...)
	}
	return "", false
}

func (r *round) upTo(d time.Duration) time.Duration {
	return time.Duration(r.random.Int64N(int64(d) + 1))
}

// breakSomething breaks something that works.
func (r *round) breakSomething() {
	r.t.Helper()
	sick := 0
	for place := range r.now {
		if r.isSick(place) {
			sick++
		}
	}
	var place int
	name, ok := r.deck.deal(r.random, func(name string) bool {
		first := 0
		switch {
		case cards[name].server:
			place = everywhere
			return !r.isSick(everywhere)
		case name == killing:
			first = r.run.elders
		}
		place = first + r.random.IntN(len(r.now)-first)
		return !r.isSick(place) && 2*sick < len(r.now)
	})
	if !ok {
		return
	}
	c, d := cards[name], time.Duration(0)
	if c.most > 0 {
		lease := float64(r.run.work.longest())
		d = time.Duration(c.least*lease) + r.upTo(time.Duration((c.most-c.least)*lease))
	}
	r.begin(name, place, d, func() { c.begin(r, place) }, func() {
		if c.end != nil {
			c.end(r, place)
		}
	})
}

func (r *round) mend(place int) {
	r.proxies[place].Heal()
	r.data[place].Heal()
	if r.run.loses > 0 {
		r.loseNotifications(place)
	}
}

// busy keeps the process busy, so that it does little else.
func (r *round) busy(place int) {
	d := r.run.work.longest()/5 + r.upTo(r.run.work.longest()*3/2)
	r.now[place].Send(fmt.Sprintf("busy %v", d))
}

// late makes refreshes succeed late for a while, and then fail: the lease runs from before
// the last one was sent, not from its answer.
func (r *round) late(place int) {
	r.proxies[place].Delay(r.upTo(r.run.work.longest() / 2))
	r.cures = append(r.cures, cure{time.Now().Add(r.upTo(r.run.work.longest() * 3 / 2)), place, func() { r.proxies[place].Cut() }})
}

// replace kills a process and starts another in its place. Nothing that it was sending arrives
// later. By chance alone few would be killed inside, so for every third it waits a while for that.
func (r *round) replace(place int) {
	r.isAlive(place)
	for give := time.Now().Add(r.run.every / 2); r.counts()[killing]%3 == 2 && !r.isInside(place) && time.Now().Before(give); {
		time.Sleep(200 * time.Microsecond)
	}
	r.now[place].Kill()
	r.proxies[place].Reset()
	r.data[place].Reset()
	r.launch(place)
}

// isInside reports whether the last line of a process's journal is of unfinished work.
func (r *round) isInside(place int) bool {
	file, err := os.Open(filepath.Join(r.folder, r.names[place]))
	require.NoError(r.t, err)
	defer file.Close()
	tail := make([]byte, 2<<10)
	size, err := file.Seek(0, io.SeekEnd)
	require.NoError(r.t, err)
	n, _ := file.ReadAt(tail, max(0, size-int64(len(tail))))
	lines := bytes.Split(bytes.TrimSpace(tail[:n]), []byte{'\n'})
	var l line
	return json.Unmarshal(lines[len(lines)-1], &l) == nil && l.Attempt != nil && l.Attempt.inside() && l.Attempt.Left == 0
}

// restart kills the server and starts it again. Before that, while it serves, it shortens
// what it will have to read.
func (r *round) restart(int) {
	r.t.Helper()
	r.command("BGREWRITEAOF")
	for running := "1"; running != "0"; time.Sleep(time.Millisecond) {
		info, err := r.direct.InfoMap(context.Background(), "persistence").Result()
		require.NoError(r.t, err)
		running = info["Persistence"]["aof_rewrite_in_progress"]
	}
	r.server.Restart()
}

func (r *round) command(args ...any) {
	r.t.Helper()
	require.NoError(r.t, r.direct.Do(context.Background(), args...).Err(), "%v", args)
}

// deleteOne deletes a held lock, if possible one that is kept for long, and records its holder
// and the last token that the server had given by then. A waiter for which a lock is only
// reserved gets a higher token later, and loses nothing.
func (r *round) deleteOne(int) {
	r.t.Helper()
	held := r.keys(lockPrefix + "*")
	if some := slices.DeleteFunc(slices.Clone(held), func(lock string) bool {
		n, _ := strconv.Atoi(strings.TrimPrefix(lock, lockPrefix))
		return n >= r.run.work.Kept
	}); len(some) > 0 {
		held = some
	}
	if len(held) == 0 {
		return
	}
	lock := held[r.random.IntN(len(held))]
	found, err := r.direct.Eval(context.Background(), `
		local holder = redis.call('GET', KEYS[1])
		if not holder then return {'', ''} end
		redis.call('DEL', KEYS[1])
		return {holder, redis.call('GET', KEYS[2])}`, []string{lock, fence}).StringSlice()
	require.NoError(r.t, err)
	if found[0] == "" {
		return // it was released just now
	}
	f := &r.faults[len(r.faults)-1]
	f.Key, f.Holder = strings.TrimPrefix(lock, "dmutex:"), found[0]
	f.Token, err = strconv.ParseUint(found[1], 10, 64)
	require.NoError(r.t, err)
}
