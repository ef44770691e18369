package fpgo_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// probes show what an operator does, as the table of docs/fp-go.md says it. Each is tried on
// each operator.
var probes = map[string]func(*trial) bool{
	carriesOn: func(tr *trial) bool {
		started := false
		for _, err := range []error{nil, errWork} {
			var lost atomic.Bool
			end := tr.locked(tr.Context(), parts{
				first: func(ctx context.Context) (int, error) {
					tr.lose(ctx)
					<-ctx.Done()
					lost.Store(true)
					return 1, err
				},
				second: func(context.Context) (int, error) {
					started = lost.Load() || started
					return 2, nil
				},
			})
			var loss *mutex.LockLostError
			require.ErrorAs(tr, end.err, &loss, "no operator hides a loss from WithLock")
		}
		return started
	},
	detaches: func(tr *trial) bool {
		asked, ended := false, false
		tr.locked(tr.Context(), parts{
			first: func(ctx context.Context) (int, error) {
				if asked { // by the operator, or else there is nothing to see
					tr.lose(ctx)
					select {
					case <-ctx.Done():
						ended = true
					case <-time.After(time.Minute):
					}
				}
				return 1, nil
			},
			derive: func(ctx context.Context) (context.Context, context.CancelFunc) {
				asked = true
				return context.WithCancel(context.WithoutCancel(ctx))
			},
		})
		return asked && !ended
	},
	causeOnly: func(tr *trial) bool {
		masked := false
		for _, err := range []error{nil, context.Canceled} {
			ctx, cancel := context.WithCancelCause(tr.Context())
			cancelling := parts{
				first:  func(context.Context) (int, error) { cancel(errWork); return 1, err },
				second: heeding,
			}
			_, running := tr.of(cancelling)(ctx)
			_, started := tr.of(parts{first: heeding, second: heeding})(ctx)
			for _, e := range []error{running, started} {
				masked = masked || e != nil && !errors.Is(e, context.Canceled)
			}
			ctx, cancel = context.WithCancelCause(tr.Context())
			if end := tr.locked(ctx, cancelling); end.err != nil {
				require.ErrorIs(tr, end.err, context.Canceled)
				require.ErrorIs(tr, end.err, errWork, "WithLock reports the cause, too")
			}
			cancel(nil)
		}
		return masked
	},
	anonymous: func(tr *trial) bool {
		_, err := tr.of(parts{first: func(ctx context.Context) (int, error) {
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(2 * time.Hour):
				return 1, nil
			}
		}})(tr.Context())
		return err == context.DeadlineExceeded //nolint:errorlint // nothing around it says whose it is
	},
	handlesEnd: func(tr *trial) bool {
		_ = tr.cancelled()
		return tr.asked.Load() > 0
	},
	hidesEnd: func(tr *trial) bool {
		err := tr.cancelled()
		return err == nil && tr.asked.Load() == 0
	},
	dropsJoined: func(tr *trial) bool {
		ctx, cancel := context.WithCancel(tr.Context())
		_, err := tr.of(parts{
			first:  func(context.Context) (int, error) { cancel(); return 0, errors.Join(context.Canceled, errWork) },
			second: heeding,
		})(ctx)
		return err != nil && !errors.Is(err, errWork)
	},
	dropsValue: func(tr *trial) bool {
		value, err := tr.of(parts{
			first:  func(context.Context) (int, error) { return 7, errWork },
			second: func(context.Context) (int, error) { return 7, errWork },
		})(tr.Context())
		return err != nil && value == 0
	},
	parallel: (*trial).overlaps,
	outlives: func(tr *trial) bool {
		outlived := false
		for _, end := range []func(){func() { panic("boom") }, runtime.Goexit} {
			var started, finished atomic.Bool
			tr.locked(tr.Context(), parts{
				first: func(context.Context) (int, error) { time.Sleep(time.Second); end(); return 1, nil },
				second: func(context.Context) (int, error) {
					started.Store(true)
					time.Sleep(time.Minute)
					finished.Store(true)
					return 2, nil
				},
			})
			held, err := tr.lock.IsLocked(tr.Context())
			require.NoError(tr, err)
			outlived = outlived || started.Load() && !finished.Load() && !held
			time.Sleep(time.Hour)
		}
		return outlived
	},
	crashes: func(tr *trial) bool {
		if tr.overlaps() {
			return tr.crash()
		}
		second := false
		end := tr.locked(tr.Context(), parts{second: func(context.Context) (int, error) { second = true; panic("boom") }})
		if second {
			assert.Contains(tr, fmt.Sprint(end.panicked), "boom") // which a *effect.Defect may carry
		}
		return false
	},
	losesGoexit: func(tr *trial) bool {
		var second atomic.Bool
		end := tr.locked(tr.Context(), parts{second: func(context.Context) (int, error) {
			second.Store(true)
			runtime.Goexit()
			return 2, nil
		}})
		return second.Load() && !end.unwound && end.err == nil
	},
	masksFailure: func(tr *trial) bool {
		end := tr.locked(tr.Context(), parts{
			first: func(ctx context.Context) (int, error) {
				if _, err := effect.Sleep(time.Minute)(ctx); err != nil {
					return 0, err
				}
				return 1, nil
			},
			second: func(context.Context) (int, error) { time.Sleep(time.Second); return 0, errWork },
		})
		return end.err != nil && !errors.Is(end.err, errWork)
	},
	runsTwice: func(tr *trial) bool {
		twice := false
		for _, err := range []error{nil, errWork} {
			var first, second atomic.Int64
			tr.locked(tr.Context(), parts{
				first:  func(context.Context) (int, error) { first.Add(1); return 1, nil },
				second: func(context.Context) (int, error) { second.Add(1); return 2, err },
			})
			twice = twice || first.Load() > 1 || second.Load() > 1
		}
		return twice
	},
	skipsRelease: func(tr *trial) bool {
		released := 0
		release := func(context.Context) (bool, error) { released++; return true, nil }
		tr.locked(tr.Context(), parts{released: release})
		expected := released // none, if the operator releases nothing
		tr.locked(tr.Context(), parts{released: release, first: func(context.Context) (int, error) { panic("boom") }})
		return released != 2*expected
	},
	releasesEnded: func(tr *trial) bool {
		ended := false
		ctx, cancel := context.WithCancel(tr.Context())
		tr.locked(ctx, parts{
			first:    func(context.Context) (int, error) { cancel(); return 1, nil },
			released: func(ctx context.Context) (bool, error) { ended = ctx.Err() != nil; return true, nil },
		})
		return ended
	},
	memoizes: func(tr *trial) bool {
		var runs atomic.Int64
		eff := tr.of(parts{first: func(context.Context) (int, error) { runs.Add(1); return 1, nil }})
		run(tr.Context(), eff)
		once := runs.Load()
		run(tr.Context(), eff)
		return runs.Load() != 2*once
	},
	spins: func(tr *trial) bool {
		_ = tr.cancelled()
		return tr.asked.Load() > 10
	},
}
