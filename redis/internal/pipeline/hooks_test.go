package pipeline

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// watcher is a hook that sees what a user's hook would see.
type watcher struct {
	trips

	mu   sync.Mutex
	args [][]any
	errs []error
}

func (w *watcher) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		for _, arg := range cmd.Args() {
			switch arg.(type) {
			case string, int, int64:
			default:
				panic("an argument is neither a string nor a number")
			}
		}
		w.mu.Lock()
		w.args = append(w.args, append([]any(nil), cmd.Args()...))
		w.mu.Unlock()
		err := next(ctx, cmd)
		_ = cmd.Args()
		w.mu.Lock()
		w.errs = append(w.errs, err)
		w.mu.Unlock()
		return err
	}
}

func TestHooksSeeEveryCommandWithPlainArgumentsAndDoNotCountAsRepetitions(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for name, o := range map[string]goredis.Options{"default client": {}, "client with a deadline": {ContextTimeoutEnabled: true}} {
		for when, early := range map[string]bool{"from the beginning": true, "added later": false} {
			t.Run(name+"/"+when, func(t *testing.T) {
				t.Parallel()
				o := o
				o.Addr = server.Addr()
				c, w := clientOf(t, o), &watcher{}
				p := New(c)
				if early {
					c.AddHook(w)
				}
				_, err := p.Run(t.Context(), say(echo, "k", "v"))
				require.NoError(t, err)
				if !early {
					warm(t, p, "k")
					c.AddHook(w)
					if !o.ContextTimeoutEnabled {
						time.Sleep(examineAfter) // it is not seen at once
					}
				}
				w.mu.Lock()
				w.args = nil
				w.mu.Unlock()
				for range 10 {
					cmd := say(echo, "k", "v")
					cmd.AddInt(1234567)
					reply, err := p.Run(t.Context(), cmd)
					require.NoError(t, err)
					assert.Equal(t, "v", reply.Value)
					assert.True(t, !reply.Repeated || o.ContextTimeoutEnabled, "only the direct path may have repeated it")
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				require.GreaterOrEqual(t, len(w.args), 10)
				assert.Equal(t, []any{"evalsha", echo.SHA, 1, "k", "v", int64(1234567)}, w.args[9])
			})
		}
	}
}

func TestCommandThatWasNotWrittenIsNotInDoubtThoughAHookReadIt(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := clientOf(t, goredis.Options{Addr: s.Addr(), DialerRetries: 1, MaxRetries: -1})
	c.AddHook(&watcher{})
	p := New(c)
	_, err := p.Run(t.Context(), say(echo, "k", "v"))
	require.NoError(t, err)
	s.Kill()
	var dial *net.OpError
	require.Eventually(t, func() bool {
		_, err := p.Run(t.Context(), say(echo, "k", "v"))
		require.Error(t, err)
		return errors.As(err, &dial) && dial.Op == "dial" && !MayBeApplied(err)
	}, 10*time.Second, 10*time.Millisecond)
}

// wrapped is a client of the user's own type.
type wrapped struct {
	goredis.UniversalClient
	trips trips
}

func (w *wrapped) Process(ctx context.Context, cmd goredis.Cmder) error {
	w.trips.n.Add(1)
	return w.UniversalClient.Process(ctx, cmd)
}

func TestWrappedClientIsNeverBypassed(t *testing.T) {
	t.Parallel()
	w := &wrapped{UniversalClient: redistest.Start(t).Client(t)}
	p := New(w)
	for range 10 {
		_, err := p.Run(t.Context(), say(touch, "k", "v"))
		require.NoError(t, err)
	}
	assert.EqualValues(t, 11, w.trips.n.Load(), "once more for the source of the script")
}

// copier is a hook that sends a copy of each script instead of the script.
type copier struct{ trips }

func (*copier) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if !strings.HasPrefix(cmd.Name(), "eval") {
			return next(ctx, cmd)
		}
		mine := goredis.NewStringCmd(ctx, cmd.Args()...)
		if err := next(ctx, mine); err != nil {
			return err
		}
		cmd.(interface{ SetVal(val string) }).SetVal(mine.Val())
		return nil
	}
}

func TestCommandOfWhichAHookHasSentACopyMayBeApplied(t *testing.T) {
	t.Parallel()
	for name, timeout := range map[string]time.Duration{"through the loop": 2 * directTimeout, "directly": directTimeout} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			c := clientOf(t, goredis.Options{Addr: s.Addr(), MaxRetries: -1, ReadTimeout: timeout, WriteTimeout: timeout})
			c.AddHook(&copier{})
			p := New(c)
			for range 2 {
				_, err := p.Run(t.Context(), say(echo, "k", "v"))
				require.NoError(t, err)
			}
			s.Freeze()
			defer s.Thaw()
			_, err := p.Run(t.Context(), say(count, "k", "v"))
			require.Error(t, err)
			assert.True(t, MayBeApplied(err))
			assert.False(t, IsNotSent(err))
		})
	}
}
