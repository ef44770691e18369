package mutex_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// A lock whose observer sees everything, from the call to the end.
func TestAnObserverSeesWhatHappensToALock(t *testing.T) {
	failures := slices.Repeat([]mutex.EventKind{mutex.BackingFailed}, 9)
	each(t, map[string]observed{
		"it is acquired and released": {
			func(*store) {}, schedule.Schedule{}, []mutex.EventKind{mutex.Acquired, mutex.Released}, 0, 15 * time.Second,
		},
		"it is waited for": {
			func(s *store) { s.take(); time.AfterFunc(250*time.Millisecond, s.loseData) }, schedule.Schedule{},
			[]mutex.EventKind{mutex.Waiting, mutex.Acquired, mutex.Released}, 300 * time.Millisecond, 15 * time.Second,
		},
		"it is given up": {
			(*store).take, schedule.Stop(), []mutex.EventKind{mutex.Waiting, mutex.NotAcquired}, 0, 0,
		},
		// Each refresh is given up after 2 s, the last one with the lease; and the release fails.
		"it is lost": {
			func(s *store) { s.on(hangs, "refresh"); s.on(fails, "release") }, schedule.Schedule{},
			slices.Concat([]mutex.EventKind{mutex.Acquired}, failures, []mutex.EventKind{mutex.Lost, mutex.BackingFailed}), 0, 29699 * time.Millisecond,
		},
		"it is not released": {
			func(s *store) {
				s.on(func(context.Context, *request) error { return backing.Permanent(errStore) }, "release")
			}, schedule.Schedule{},
			[]mutex.EventKind{mutex.Acquired, mutex.BackingFailed, mutex.ReleaseFailed}, 0, 15 * time.Second,
		},
	}, func(t *testing.T, c observed) {
		s, r := newStore(), recorder{}
		c.prepare(s)
		m := newMutex(t, s, mutex.Config{AcquireRetryPolicy: c.policy, Observer: r.observe})
		work := 15 * time.Second
		if c.held > work {
			work = time.Hour
		}
		id := ""
		_, err := mutex.WithLock(m, func(ctx context.Context) (v effect.Void, err error) {
			if id, err = holderID(ctx); err != nil {
				return v, err
			}
			return sleep(work)(ctx)
		})(t.Context())
		require.Equal(t, c.kinds, r.kinds())
		for _, e := range r.events {
			want := mutex.Event{Kind: e.Kind, Key: key, Holder: e.Holder, Token: e.Token, Err: e.Err}
			switch e.Kind {
			case mutex.BackingFailed:
				want.Holder, want.Token = "", 0
				asA[*mutex.MutexBackingError](t, e.Err)
			case mutex.Acquired:
				want.Holder, want.Elapsed, want.Err = id, c.waited, nil
				assert.NotZero(t, e.Token)
			case mutex.Released:
				want.Holder, want.Elapsed, want.Err = id, c.held, nil
				assert.NotZero(t, e.Token)
			case mutex.Lost, mutex.ReleaseFailed:
				want.Holder, want.Elapsed, want.Err = id, c.held, err
			case mutex.NotAcquired:
				want.Elapsed, want.Err = c.waited, err
			case mutex.Waiting, mutex.Polling:
				want.Token, want.Err = 0, nil
			}
			assert.Equal(t, want, e)
		}
	})
}

type observed struct {
	prepare      func(*store)
	policy       schedule.Schedule
	kinds        []mutex.EventKind
	waited, held time.Duration
}

func TestLogObserver(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	observe := mutex.LogObserver(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: noTime})))
	observe(mutex.Event{Kind: mutex.Acquired, Key: "k", Holder: "h", Token: 7, Elapsed: time.Second})
	observe(mutex.Event{Kind: mutex.BackingFailed, Key: "k", Err: errStore})
	observe(mutex.Event{Kind: mutex.Lost, Key: "k", Holder: "h", Err: errWork, Skipped: 5})
	assert.Equal(t, `level=DEBUG msg="lock acquired" key=k token=7 elapsed=1s
level=WARN msg="lock backing failed" key=k error="the store is down"
level=ERROR msg="lock lost" key=k skipped=5 error="the work failed"
`, out.String())
}
