package redis

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

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/redistest"
)

// waiting counts the commands that wait in the lane.
func (l *lane) waiting() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := l.first; c != nil; c = c.next {
		n++
	}
	return n
}

// isAway tells that a flight has all commands.
func (l *lane) isAway() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy && l.resting == nil && l.first == nil
}

// neverOverdue keeps the flight that is away in charge of the lane until it ends.
func (l *lane) neverOverdue(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = time.Now().Add(time.Hour)
	t.Cleanup(func() { // who looks after the lane would not do so for an hour
		l.mu.Lock()
		defer l.mu.Unlock()
		l.watch.Reset(rest)
	})
}

// stub is a lane whose flights a test answers.
func stub(alone func(context.Context, *command) error) *lane {
	return &lane{
		alone: alone,
		together: func(ctx context.Context, all []*command) error {
			return errors.Join(func() (errs []error) {
				for _, c := range all {
					errs = append(errs, alone(ctx, c))
				}
				return errs
			}()...)
		},
	}
}

// answers has the server answer with the first word of the command.
func answers(c *command) error {
	c.SetVal(c.words[0])
	c.SetErr(nil)
	return nil
}

func ask(word string) *command {
	c := newCommand(releaseScript, 0)
	c.word(word)
	return c
}

func TestCommandWhoseContextEndsBeforeItIsSentIsNotSent(t *testing.T) {
	t.Parallel()
	var sent atomic.Int32
	thaw := make(chan struct{})
	l := stub(func(_ context.Context, c *command) error {
		sent.Add(1)
		<-thaw
		return answers(c)
	})
	defer func() {
		require.Eventually(t, func() bool { return l.waiting() == 0 }, 5*time.Second, time.Millisecond)
	}()
	first := make(chan string, 1)
	go func() {
		value, err := l.send(t.Context(), ask("first"), nil)
		assert.NoError(t, err)
		first <- value
	}()
	require.Eventually(t, func() bool { return sent.Load() == 1 }, 5*time.Second, time.Millisecond)
	l.neverOverdue(t)

	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for l.waiting() == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	_, err := l.send(ctx, ask("second"), func() func(string, error) {
		assert.Fail(t, "nothing was sent that could land late")
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "not sent")
	close(thaw)
	assert.Equal(t, "first", <-first)
	third, err := l.send(t.Context(), ask("third"), nil)
	require.NoError(t, err)
	assert.Equal(t, "third", third)
	assert.EqualValues(t, 2, sent.Load())
}

func TestFlightThatIsOverdueDoesNotHoldUpTheLane(t *testing.T) {
	t.Parallel()
	thaw := make(chan struct{})
	l := stub(func(_ context.Context, c *command) error {
		if c.words[0] == "frozen" {
			<-thaw
		}
		return answers(c)
	})
	frozen := make(chan string, 1)
	go func() {
		value, err := l.send(t.Context(), ask("frozen"), nil)
		assert.NoError(t, err)
		frozen <- value
	}()
	require.Eventually(t, l.isAway, 5*time.Second, time.Millisecond)
	var all sync.WaitGroup
	for n := range 50 {
		all.Go(func() {
			want := strconv.Itoa(n)
			value, err := l.send(t.Context(), ask(want), nil)
			assert.NoError(t, err)
			assert.Equal(t, want, value)
		})
	}
	all.Wait()
	assert.Empty(t, frozen)
	close(thaw)
	assert.Equal(t, "frozen", <-frozen)
}

func TestCommandThatIsLeftBehindIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	thaw, landed := make(chan struct{}), make(chan string, 1)
	l := stub(func(_ context.Context, c *command) error {
		if c.words[0] == "late" {
			<-thaw
		}
		return answers(c)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for !l.isAway() {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	_, err := l.send(ctx, ask("late"), func() func(string, error) {
		return func(value string, _ error) { landed <- value }
	})
	require.ErrorIs(t, err, context.Canceled)
	for range 100 { // whatever is taken from the pool now
		value, err := l.send(t.Context(), ask("other"), nil)
		require.NoError(t, err)
		require.Equal(t, "other", value)
	}
	close(thaw)
	assert.Equal(t, "late", <-landed)
}

func TestFlightIsGivenUpWhenAllItsSendersHaveLeft(t *testing.T) {
	t.Parallel()
	begin, ended := make(chan struct{}), make(chan error, 1)
	l := stub(func(_ context.Context, c *command) error { <-begin; return answers(c) })
	l.together = func(ctx context.Context, _ []*command) error {
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}
	var all sync.WaitGroup
	send := func(ctx context.Context, ends error) {
		all.Go(func() {
			_, err := l.send(ctx, ask("x"), nil)
			assert.ErrorIs(t, err, ends)
		})
	}
	send(t.Context(), nil)
	require.Eventually(t, l.isAway, 5*time.Second, time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	l.neverOverdue(t)
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

func TestFlightThatFailsBeforeAnythingIsWrittenFailsForAll(t *testing.T) {
	t.Parallel()
	begin, broken := make(chan struct{}), errors.New("a hook of the client refuses pipelines")
	l := stub(func(_ context.Context, c *command) error { <-begin; return answers(c) })
	l.together = func(context.Context, []*command) error { return broken }
	var all sync.WaitGroup
	send := func(fails error) {
		all.Go(func() {
			_, err := l.send(t.Context(), ask("x"), nil)
			assert.Equal(t, fails, err)
		})
	}
	send(nil)
	require.Eventually(t, l.isAway, 5*time.Second, time.Millisecond)
	l.neverOverdue(t)
	send(broken)
	send(broken)
	require.Eventually(t, func() bool { return l.waiting() == 2 }, 5*time.Second, time.Millisecond)
	close(begin)
	all.Wait()
}

func TestConcurrentSendersShareRoundTrips(t *testing.T) {
	t.Parallel()
	const senders, each = 64, 20
	c := redistest.Start(t).Client(t)
	trips := &trips{}
	c.AddHook(trips)
	b := New(c)
	require.NoError(t, b.checkVersion(t.Context()))
	trips.n.Store(0)
	var all sync.WaitGroup
	for n := range senders {
		all.Go(func() {
			key := fmt.Sprint("k", n)
			for range each {
				_, err := b.TryAcquire(t.Context(), backing.Claim{Key: key, Holder: "h", TTL: time.Minute})
				assert.NoError(t, err)
				released, err := b.Release(t.Context(), key, "h")
				assert.NoError(t, err)
				assert.True(t, released)
			}
		})
	}
	all.Wait()
	assert.Less(t, trips.n.Load(), int64(2*senders*each/4))
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
