package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// waiting counts the commands in the queue.
func (l *lane) waiting() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := l.first; c != nil; c = c.next {
		n++
	}
	return n
}

// hasSentAll reports whether something is under way and nothing waits.
func (l *lane) hasSentAll() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sending && l.first == nil
}

// neverStalls keeps the lane with its owner until that is done.
func (l *lane) neverStalls(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = time.Now().Add(time.Hour)
	t.Cleanup(func() { // the watchdog would not look for an hour
		l.mu.Lock()
		defer l.mu.Unlock()
		l.watchdog.Reset(idleFor)
	})
}

// stub is a lane whose commands a test answers.
func stub(solo func(context.Context, *Command) error) *lane {
	return &lane{
		solo: solo,
		together: func(ctx context.Context, all []*Command) error {
			var errs []error
			for _, c := range all {
				errs = append(errs, solo(ctx, c))
			}
			return errors.Join(errs...)
		},
	}
}

// word is the only argument of a command.
func word(c *Command) string { return c.args[firstKey].(string) }

// answer replies with the command's argument.
func answer(c *Command) error {
	c.attempt.SetVal(word(c))
	c.attempt.SetErr(nil)
	return nil
}

// ask sends a command to the loop.
func (l *lane) ask(ctx context.Context, word string) (string, error) {
	c := NewCommand(echo, 0)
	c.Add(word)
	c.ctx = ctx
	reply, err := l.send(c, nil)
	return reply.Value, err
}

func TestCommandWhoseContextEndsBeforeItIsSentIsNotSent(t *testing.T) {
	t.Parallel()
	var sent atomic.Int32
	thaw := make(chan struct{})
	l := stub(func(_ context.Context, c *Command) error {
		sent.Add(1)
		<-thaw
		return answer(c)
	})
	first := make(chan string, 1)
	go func() {
		value, err := l.ask(t.Context(), "first")
		assert.NoError(t, err)
		first <- value
	}()
	require.Eventually(t, func() bool { return sent.Load() == 1 }, 5*time.Second, time.Millisecond)
	l.neverStalls(t)

	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for l.waiting() == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	_, err := l.ask(ctx, "second")
	require.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "not sent")
	assert.False(t, MayBeApplied(err))
	close(thaw)
	assert.Equal(t, "first", <-first)
	third, err := l.ask(t.Context(), "third")
	require.NoError(t, err)
	assert.Equal(t, "third", third)
	assert.EqualValues(t, 2, sent.Load())
}

func TestBatchThatStallsDoesNotHoldUpTheLane(t *testing.T) {
	t.Parallel()
	thaw := make(chan struct{})
	l := stub(func(_ context.Context, c *Command) error {
		if word(c) == "frozen" {
			<-thaw
		}
		return answer(c)
	})
	frozen := make(chan string, 1)
	go func() {
		value, err := l.ask(t.Context(), "frozen")
		assert.NoError(t, err)
		frozen <- value
	}()
	require.Eventually(t, l.hasSentAll, 5*time.Second, time.Millisecond)
	var all sync.WaitGroup
	for n := range 50 {
		all.Go(func() {
			want := strconv.Itoa(n)
			value, err := l.ask(t.Context(), want)
			assert.NoError(t, err)
			assert.Equal(t, want, value)
		})
	}
	all.Wait()
	assert.Empty(t, frozen)
	close(thaw)
	assert.Equal(t, "frozen", <-frozen)
}

func TestCommandThatIsAbandonedIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	thaw := make(chan struct{})
	l := stub(func(_ context.Context, c *Command) error {
		if word(c) == "late" {
			<-thaw
		}
		return answer(c)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for !l.hasSentAll() {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	_, err := l.ask(ctx, "late")
	require.ErrorIs(t, err, context.Canceled)
	assert.True(t, MayBeApplied(err))
	close(thaw) // it completes while others are sent
	for range 100 {
		value, err := l.ask(t.Context(), "other")
		require.NoError(t, err)
		require.Equal(t, "other", value)
	}
}

func TestBatchIsGivenUpWhenAllItsCallersHaveLeft(t *testing.T) {
	t.Parallel()
	begin, ended := make(chan struct{}), make(chan error, 1)
	l := stub(func(_ context.Context, c *Command) error { <-begin; return answer(c) })
	l.together = func(ctx context.Context, _ []*Command) error {
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}
	var all sync.WaitGroup
	send := func(ctx context.Context, ends error) {
		all.Go(func() {
			_, err := l.ask(ctx, "x")
			assert.ErrorIs(t, err, ends)
		})
	}
	send(t.Context(), nil)
	require.Eventually(t, l.hasSentAll, 5*time.Second, time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	l.neverStalls(t)
	send(ctx, context.Canceled)
	send(ctx, context.Canceled)
	require.Eventually(t, func() bool { return l.waiting() == 2 }, 5*time.Second, time.Millisecond)
	close(begin)
	require.Eventually(t, func() bool { return l.waiting() == 0 }, 5*time.Second, time.Millisecond)
	assert.Empty(t, ended)
	cancel()
	all.Wait()
	assert.ErrorIs(t, <-ended, context.Canceled)
}

func TestBatchThatFailsBeforeAnythingIsWrittenFailsForAll(t *testing.T) {
	t.Parallel()
	begin, broken := make(chan struct{}), errors.New("a hook of the client refuses pipelines")
	l := stub(func(_ context.Context, c *Command) error { <-begin; return answer(c) })
	l.together = func(context.Context, []*Command) error { return broken }
	var all sync.WaitGroup
	send := func(fails error) {
		all.Go(func() {
			_, err := l.ask(t.Context(), "x")
			assert.Equal(t, fails, err)
		})
	}
	send(nil)
	require.Eventually(t, l.hasSentAll, 5*time.Second, time.Millisecond)
	l.neverStalls(t)
	send(broken)
	send(broken)
	require.Eventually(t, func() bool { return l.waiting() == 2 }, 5*time.Second, time.Millisecond)
	close(begin)
	all.Wait()
}

func TestLaneThatIsNotUsedHasNoGoroutine(t *testing.T) {
	t.Parallel()
	l := stub(func(_ context.Context, c *Command) error { return answer(c) })
	for range 3 {
		_, err := l.ask(t.Context(), "x")
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return !l.sending && l.parked == nil && !l.armed
	}, 5*time.Second, time.Millisecond)
}

func TestConcurrentCallersShareRoundTrips(t *testing.T) {
	t.Parallel()
	const callers, each = 64, 40
	c := redistest.Start(t).Client(t)
	trips := &trips{}
	c.AddHook(trips)
	p := New(c)
	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() {
			for i := range each {
				want := fmt.Sprint(n, " ", i)
				reply, err := p.Run(t.Context(), say(echo, "k", want))
				assert.NoError(t, err)
				assert.Equal(t, Reply{Value: want}, reply)
			}
		})
	}
	all.Wait()
	assert.Less(t, trips.n.Load(), int64(callers*each/4))
}

// trips counts the round trips of a client.
type trips struct{ n atomic.Int64 }

func (*trips) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (t *trips) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error { t.n.Add(1); return next(ctx, cmd) }
}

func (t *trips) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error { t.n.Add(1); return next(ctx, cmds) }
}
