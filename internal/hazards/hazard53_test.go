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

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

// watcher is a hook as applications have them: it writes each command down, before and
// after it was sent, and takes names of keys for the strings that they are.
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
	if w.keys == nil {
		w.keys, w.sent = map[string]bool{}, map[string]int{}
	}
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

// assertSaw asserts that every command could be read, and the locks in it.
func (w *watcher) assertSaw(t *testing.T, how string, names ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	assert.Positive(t, w.sent[how], how)
	assert.NotEmpty(t, w.lines)
	for _, line := range w.lines {
		assert.NotContains(t, line, "0x", "an address in memory")
		assert.Contains(t, line, "dmutex:", "no key")
	}
	for _, name := range names {
		assert.True(t, w.keys["dmutex:"+name], "%q is not among %v", name, w.keys)
	}
}

func TestHazard53_AHookReadsEveryCommandAsStrings(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]goredis.Options{
		"through the loop": {},
		"by its caller":    {ContextTimeoutEnabled: true}, // as the client bounds its reads itself
		"with RESP 2":      {Protocol: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			o.Addr = s.Addr()
			c := goredis.NewClient(&o)
			t.Cleanup(func() { _ = c.Close() })
			w := &watcher{}
			c.AddHook(w)
			useAsEveryone(t, redis.New(c))
			w.assertSaw(t, "alone", everyone...)
			s.assertFree(t)
		})
	}
}

// Those who come at the same time are sent with each other.
func TestHazard53_AHookReadsEveryCommandOfAPipeline(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	c := client(t, s.Addr())
	w := &watcher{}
	c.AddHook(w)
	b := redis.New(c)
	names := useTogether(t, b, w)
	w.assertSaw(t, "together", names...)
	s.assertFree(t)
}

func TestHazard53_AHookReadsEveryCommandToACluster(t *testing.T) {
	t.Parallel()
	s := newCluster(t)
	c := s.Client(t)
	w := &watcher{}
	c.AddHook(w)
	b := redis.New(c)
	useAsEveryone(t, b)
	names := useTogether(t, b, w)
	w.assertSaw(t, "alone", everyone...)
	w.assertSaw(t, "together", names...)
	s.assertFree(t)
}

var everyone = []string{key, "other", "{tag}", "a}b"}

// useAsEveryone does all that can be done with a Backing, one after the other.
func useAsEveryone(t *testing.T, b *redis.Backing) {
	t.Helper()
	ctx := t.Context()
	for range 2 { // the server knows the scripts the second time
		var held []backing.Claim
		for _, name := range everyone {
			claim := func(holder string) backing.Claim { return backing.Claim{Key: name, Holder: holder, TTL: long} }
			waits := func(holder string) backing.Waiter { return backing.Waiter{Claim: claim(holder), Wake: func() {}} }
			answered, err := took(b.TryAcquire(ctx, claim("a")))
			require.NoError(t, err)
			require.True(t, answered)
			answered, err = b.Refresh(ctx, claim("a"))
			require.NoError(t, err)
			require.True(t, answered)
			outcome, err := b.Enqueue(ctx, waits("b"))
			require.NoError(t, err)
			require.IsType(t, backing.Queued{}, outcome)
			outcome, err = b.Pass(ctx, claim("a"), waits("c"), false)
			require.NoError(t, err)
			require.True(t, isGranted(outcome))
			outcome, err = b.Pass(ctx, claim("c"), waits("d"), true)
			require.NoError(t, err)
			require.IsType(t, backing.Queued{}, outcome)
			answered, err = b.IsLocked(ctx, name)
			require.NoError(t, err)
			require.True(t, answered)
			_, err = b.GetHolder(ctx, name)
			require.NoError(t, err)
			outcome, err = b.Enqueue(ctx, waits("b"))
			require.NoError(t, err)
			require.True(t, isGranted(outcome))
			held = append(held, claim("b"))
		}
		for _, r := range b.RefreshAll(ctx, held) {
			require.NoError(t, r.Err)
			require.True(t, r.Held)
		}
		for _, c := range held {
			_, err := b.Release(ctx, c.Key, "d")
			require.NoError(t, err)
			answered, err := b.Release(ctx, c.Key, "b")
			require.NoError(t, err)
			require.True(t, answered)
		}
	}
}

// useTogether has many take locks at the same time, until some were sent together, and
// returns the names of the locks.
func useTogether(t *testing.T, b *redis.Backing, w *watcher) (names []string) {
	t.Helper()
	for n := range 20 {
		names = append(names, fmt.Sprint("together", n))
	}
	eventually(t, func() bool {
		var running sync.WaitGroup
		for _, name := range names {
			running.Go(func() {
				c := backing.Claim{Key: name, Holder: "h", TTL: long}
				_, err := took(b.TryAcquire(t.Context(), c))
				assert.NoError(t, err)
				_, err = b.Refresh(t.Context(), c)
				assert.NoError(t, err)
				_, err = b.Release(t.Context(), name, "h")
				assert.NoError(t, err)
			})
		}
		running.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.sent["together"] > 0
	}, "commands share a round trip")
	return names
}

// A hook that cannot read a command panics, and so is noticed: it is an error of the store.
func TestHazard53_AHookThatPanicsFailsItsCommandAlone(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	c := client(t, s.Addr())
	c.AddHook(answering(func(cmd goredis.Cmder) bool {
		if args := cmd.Args(); len(args) > 3 && strings.HasPrefix(fmt.Sprint(args[3]), "dmutex:bad") {
			panic("it cannot be read")
		}
		return false
	}))
	b := redis.New(c)
	_, err := took(b.TryAcquire(t.Context(), backing.Claim{Key: "bad", Holder: "h", TTL: long}))
	require.ErrorContains(t, err, "it cannot be read")
	useAsEveryone(t, b)
	s.assertFree(t)
}
