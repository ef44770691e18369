package soak_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

const (
	places  = 8
	elders  = 2               // are never killed, so that their memory can be watched
	longest = 3 * time.Second // of the leases
	sickest = 4               // so many places at a time may be in trouble
)

// chaos is the run as it goes on: its processes, and what is broken.
type chaos struct {
	t       *testing.T
	random  *rand.Rand
	server  *redistest.Server
	direct  *goredis.Client
	orders  orders
	proxies [places]*redistest.Proxy
	now     [places]*process
	all     []*process
	memory  []int64 // of the server, every second that it answers
	deck    deck
	faults  []fault
	healing []cure
}

// cure ends a fault.
type cure struct {
	due   time.Time
	place int
	do    func()
}

func newChaos(t *testing.T, seed uint64) *chaos {
	t.Helper()
	c := &chaos{t: t, random: rand.New(rand.NewPCG(seed, 0))}
	// What is granted must be known after a restart: that it is not, is another
	// hazard than those of this run.
	c.server = redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0")
	c.direct = c.server.Client(t)
	c.orders = orders{Data: redistest.Start(t).Addr(), Journal: t.TempDir(), Seed: seed}
	for place := range places {
		c.proxies[place] = redistest.NewProxy(t, c.server.Addr())
		c.launch(place)
	}
	for _, p := range c.now {
		c.await(p, "ready")
	}
	return c
}

func (c *chaos) launch(place int) {
	o := c.orders
	o.Lock = c.proxies[place].Addr()
	o.Patient = place%2 == 0
	o.Seed = c.random.Uint64()
	c.now[place] = launch(c.t, place, len(c.all), o)
	c.all = append(c.all, c.now[place])
}

// await waits until the process has said that.
func (c *chaos) await(p *process, event string) {
	c.t.Helper()
	select {
	case <-p.heard[event]:
	case <-p.over:
		select {
		case <-p.heard[event]: // and then it ended
			return
		default:
		}
		require.FailNow(c.t, "ended too early", "process %s instead of %q: %v\n%s", p.name, event, p.err, p.erred)
	case <-time.After(patience):
		require.FailNow(c.t, "is not "+event, "process %s after %v", p.name, patience)
	}
}

// pass lets time pass, in which faults end, and begin if they may.
func (c *chaos) pass(d time.Duration, mayBreak bool) {
	c.t.Helper()
	over, second, next := time.Now().Add(d), time.Now(), time.Now().Add(time.Second)
	for now := time.Now(); now.Before(over); now = time.Now() {
		c.heal(func(cure cure) bool { return !now.Before(cure.due) })
		if mayBreak && !now.Before(next) {
			c.breakSomething()
			next = next.Add(500*time.Millisecond + time.Duration(c.random.IntN(1000))*time.Millisecond)
		}
		if !now.Before(second) {
			second = second.Add(time.Second)
			c.look()
			if mayBreak && !c.isSick(everywhere) {
				c.begin(fault{Kind: "deleted", Place: everywhere}, 0, func() { c.deleteOne(keptLong) }, func() {})
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// look sees how the processes and the server are.
func (c *chaos) look() {
	c.t.Helper()
	for _, p := range c.now {
		p.isAlive()
	}
	if c.isSick(everywhere) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	info, err := c.direct.InfoMap(ctx, "memory").Result()
	require.NoError(c.t, err)
	c.memory = append(c.memory, number(c.t, info["Memory"]["used_memory"]))
}

// heal ends the faults of which it is time.
func (c *chaos) heal(due func(cure) bool) {
	for i := 0; i < len(c.healing); i++ {
		if cure := c.healing[i]; due(cure) {
			c.healing = slices.Delete(c.healing, i, i+1)
			i--
			cure.do()
		}
	}
}

func (c *chaos) healAll() { c.heal(func(cure) bool { return true }) }

func (c *chaos) isSick(place int) bool {
	return slices.ContainsFunc(c.healing, func(cure cure) bool { return cure.place == place })
}

// begin notes a fault, which end ends after the duration. Each is noted from
// before it begins until after it has ended.
func (c *chaos) begin(f fault, d time.Duration, start, end func()) {
	at := len(c.faults)
	f.from = clock()
	if f.Place != everywhere {
		f.Process = c.now[f.Place].name
	}
	f.until = 1 << 62
	c.faults = append(c.faults, f)
	start()
	c.faults[at].begun = clock()
	cure := cure{time.Now().Add(d), f.Place, func() {
		end()
		c.faults[at].until = clock()
	}}
	if d == 0 {
		cure.do()
		return
	}
	c.healing = append(c.healing, cure)
}
