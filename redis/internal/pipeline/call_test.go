package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCallAnswersWhatTheCommandAnswers(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	value, err := Call(t.Context(), func(context.Context) (int, error) { return 7, nil })
	assert.NoError(t, err)
	assert.Equal(t, 7, value)
	_, err = Call(t.Context(), func(context.Context) (int, error) { return 0, broken })
	assert.Equal(t, broken, err)
}

func TestCallDoesNotBeginAfterTheContextsEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Call(ctx, func(context.Context) (int, error) { panic("begun") })
	assert.ErrorIs(t, err, context.Canceled)
}

func TestCallAfterTheContextsEnd(t *testing.T) {
	t.Parallel()
	const grace, lastCall = 100 * time.Millisecond, 2 * time.Millisecond
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		cancel bool // the context is cancelled instead of having a deadline
		takes  time.Duration
		fails  error
		want   int
		after  time.Duration
		is     []error
	}{
		"a reply within the grace is told":                 {cancel: true, takes: time.Second + grace/2, want: 7, after: time.Second + grace/2},
		"a failure within the grace is told too":           {cancel: true, takes: time.Second + grace/2, fails: broken, after: time.Second + grace/2, is: []error{broken, context.Canceled}},
		"a later reply is not waited for":                  {cancel: true, takes: time.Second + 2*grace, after: time.Second + grace, is: []error{context.Canceled}},
		"a reply just after the deadline is told":          {takes: time.Second + lastCall/2, want: 7, after: time.Second + lastCall/2},
		"a reply later than that is not waited for either": {takes: time.Second + grace/2, after: time.Second + lastCall, is: []error{context.DeadlineExceeded}},
		"the socket's timeout is the context's":            {takes: time.Second, fails: os.ErrDeadlineExceeded, after: time.Second, is: []error{context.DeadlineExceeded, os.ErrDeadlineExceeded}},
		"a socket's timeout before it is its own":          {takes: time.Second / 2, fails: os.ErrDeadlineExceeded, after: time.Second / 2, is: []error{os.ErrDeadlineExceeded}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				if tt.cancel {
					ctx, cancel = context.WithCancel(t.Context())
					time.AfterFunc(time.Second, cancel)
				}
				defer cancel()
				value, err := Call(ctx, func(context.Context) (int, error) {
					time.Sleep(tt.takes)
					if tt.fails != nil {
						return 0, tt.fails
					}
					return 7, nil
				})
				assert.Equal(t, tt.after, time.Since(began))
				assert.Equal(t, tt.want, value)
				assert.Equal(t, len(tt.is) > 0, err != nil)
				time.Sleep(tt.takes) // the command ends by itself
				for _, is := range tt.is {
					assert.ErrorIs(t, err, is)
				}
				if tt.after < time.Second {
					assert.NotErrorIs(t, err, context.DeadlineExceeded)
				}
			})
		})
	}
}

func TestSocketsClockMayBeAheadOfTheContexts(t *testing.T) {
	t.Parallel()
	ctx := lagging{done: make(chan struct{})}
	go func() { close(ctx.done) }()
	assert.ErrorIs(t, WithContextErr(ctx, os.ErrDeadlineExceeded), context.DeadlineExceeded)
}

// The batch of a command ends with the contexts of all its callers, for whatever reason
// those ended.
func TestCommandWhoseBatchHasEndedFailsWithTheReasonOfItsCaller(t *testing.T) {
	t.Parallel()
	late, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	left, leave := context.WithCancel(t.Context())
	leave()
	for _, tt := range []struct {
		ctx  context.Context
		err  error
		want string
		sent bool
	}{
		{late, context.Canceled, "redis: not sent before the context ended: context deadline exceeded", false},
		{late, &noReplyError{context.Canceled}, "redis: no reply before the context ended: context deadline exceeded", true},
		{left, context.Canceled, "redis: not sent before the context ended: context canceled", false},
		{left, &noReplyError{context.Canceled}, "redis: no reply before the context ended: context canceled", true},
		{late, fmt.Errorf("dial tcp: %w", context.Canceled), "context deadline exceeded: dial tcp: context canceled", false},
	} {
		_, err := (&Command{ctx: tt.ctx, err: tt.err}).result()
		require.EqualError(t, err, tt.want)
		assert.ErrorIs(t, err, tt.ctx.Err())
		assert.Equal(t, tt.sent, MayBeApplied(err))
		assert.Equal(t, !tt.sent, IsNotSent(err))
	}
}

// lagging is a context whose deadline has passed before its timer fires.
type lagging struct {
	context.Context
	done chan struct{}
}

func (lagging) Deadline() (time.Time, bool) { return time.Now().Add(-time.Millisecond), true }
func (l lagging) Done() <-chan struct{}     { return l.done }

func (l lagging) Err() error {
	select {
	case <-l.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}
