package hazards_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// watcher is a hook such as applications have: it logs each command, before and after it
// is sent, and expects names of keys to be strings.
type watcher struct {
	mu    sync.Mutex
	lines []string
	keys  map[string]bool
	sent  map[string]int // "alone" or "together"
}

func (*watcher) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (w *watcher) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		w.see("alone", cmd)
		err := next(ctx, cmd)
		w.see("alone", cmd)
		return err
	}
}

func (w *watcher) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		w.see("together", cmds...)
		err := next(ctx, cmds)
		w.see("together", cmds...)
		return err
	}
}

func (w *watcher) see(how string, cmds ...goredis.Cmder) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, cmd := range cmds {
		args := cmd.Args()
		switch name := args[0].(string); name {
		case "evalsha", "eval":
			_ = args[1].(string)
			for _, arg := range args[3 : 3+args[2].(int)] {
				w.keys[arg.(string)] = true
			}
			w.sent[how]++
		case "get":
			w.keys[args[1].(string)] = true
		default:
			continue
		}
		for _, arg := range args {
			switch arg.(type) {
			case string, int, int64:
			default:
				panic(fmt.Sprintf("%T among the words of %v", arg, args[0]))
			}
		}
		w.lines = append(w.lines, cmd.String())
	}
}

// useAll performs every operation on locks with these names, one after another and many together,
// until some commands have shared a round trip.
func (a *arena) useAll(b *redis.Backing, far *redis.Backing, w *watcher) {
	a.t.Helper()
	config := mutex.Config{TTL: long, RefreshInterval: short / 4}
	together := spyOn(a.t, b)
	crowd := a.crowd(together, 20, config)
	together.inFlight(2)
	for _, c := range crowd {
		c.letsGo()
	}
	near := a.hold(b, config)
	m := newMutex(a.t, b, a.key, config)
	locked, err := m.IsLocked(a.t.Context())
	require.NoError(a.t, err)
	assert.True(a.t, locked)
	next := a.wait(b, config) // the lock is passed to it
	last := a.wait(far, config)
	near.letsGo()
	serve(a.t, next, last)
	eventually(a.t, func() bool {
		all := a.takeTurns(a.names(20), b)
		all.each(1)
		all.stop()
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.sent["together"] > 0
	}, "commands share a round trip")
	w.mu.Lock()
	defer w.mu.Unlock()
	assert.Positive(a.t, w.sent["alone"])
	for _, line := range w.lines {
		assert.NotContains(a.t, line, "0x", "an address in memory")
		assert.Contains(a.t, line, "dmutex:", "no key")
	}
	for _, name := range append(a.names(20), a.key) {
		assert.True(a.t, w.keys[lockKey(name)], "%q is not among %v", name, w.keys)
	}
}

// Commands are sent through the loop of a pipeline or by their caller, depending on whether the
// client bounds its reads itself; alone or together; to one server or to each master of a Cluster.
func TestHazard53_AHookReadsEveryCommandAsStrings(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]*goredis.Options{
		"through the loop": {},
		"by its caller":    {ContextTimeoutEnabled: true},
		"with RESP 2":      {Protocol: 2},
		"to a Cluster":     nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &watcher{keys: map[string]bool{}, sent: map[string]int{}}
			if o == nil {
				c := sharedCluster(t)
				client := c.Client(t)
				client.AddHook(w)
				c.useAll(redis.New(client), c.process(), w)
				c.assertFree()
				return
			}
			s := sharedStore(t)
			client := s.client(*o)
			client.AddHook(w)
			s.useAll(redis.New(client), s.process(), w)
			s.assertFree()
		})
	}
}

// A hook that cannot read a command panics. That is noticed: it is an error of the store.
func TestHazard53_AHookThatPanicsFailsItsCommandAlone(t *testing.T) {
	t.Parallel()
	s := sharedStore(t)
	c := s.client(goredis.Options{})
	c.AddHook(answering(func(cmd goredis.Cmder) bool {
		if args := cmd.Args(); len(args) > 3 && strings.HasPrefix(fmt.Sprint(args[3]), "dmutex:bad") {
			panic("it cannot be read")
		}
		return false
	}))
	b := redis.New(c)
	_, err := took(b.TryAcquire(t.Context(), claimOf("bad", "h")))
	require.ErrorContains(t, err, "it cannot be read")
	s.hold(b).letsGo()
	s.assertFree()
}
