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
func (s *sender) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue)
}

// hasSentAll reports whether something is being sent and nothing waits.
func (s *sender) hasSentAll() bool { return s.isBusy() && s.waiting() == 0 }

// holds waits until so many commands wait behind the one being sent, which never stalls.
func (s *sender) holds(t *testing.T, behind int) {
	t.Helper()
	require.Eventually(t, func() bool { return s.isBusy() && s.waiting() == behind }, 5*time.Second, time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = time.Now().Add(time.Hour)
}

// stub is a client whose commands a test answers.
type stub struct {
	goredis.UniversalClient
	solo     func(context.Context, *attempt) error
	together func(context.Context) error // nil if each is answered as if alone
}

func (c *stub) Process(ctx context.Context, cmd goredis.Cmder) error {
	return c.solo(ctx, cmd.(*attempt))
}
func (c *stub) Pipeline() goredis.Pipeliner { return &stubPipe{stub: c} }

type stubPipe struct {
	goredis.Pipeliner
	stub *stub
	cmds []goredis.Cmder
}

func (p *stubPipe) BatchProcess(_ context.Context, cmds ...goredis.Cmder) error {
	p.cmds = cmds
	return nil
}

func (p *stubPipe) Exec(ctx context.Context) ([]goredis.Cmder, error) {
	if p.stub.together != nil {
		return p.cmds, p.stub.together(ctx)
	}
	for _, c := range p.cmds {
		_ = p.stub.solo(ctx, c.(*attempt))
	}
	return p.cmds, nil
}

// answering returns a sender through a client that answers each command, after hold, with
// its only argument.
func answering(hold func(word string)) (*sender, *stub) {
	c := &stub{solo: func(_ context.Context, a *attempt) error {
		word := a.StringCmd.Args()[firstKey].(string)
		hold(word)
		a.SetVal(word)
		a.SetErr(nil)
		return nil
	}}
	return newSender(c, false), c
}

// ask sends a command through the loop.
func (s *sender) ask(ctx context.Context, word string) (string, error) {
	c := NewCommand(echo, 0)
	c.Add(word)
	c.ctx = ctx
	reply, err := s.send(c)
	return reply.Value, err
}

// asks is ask for a command that waits behind the one being sent, and must end in a certain
// way.
func (s *sender) asks(t *testing.T, all *sync.WaitGroup, ctx context.Context, word string, fails error) { //nolint:revive // t comes first
	t.Helper()
	all.Go(func() {
		value, err := s.ask(ctx, word)
		assert.ErrorIs(t, err, fails)
		if fails == nil {
			assert.Equal(t, word, value)
		}
	})
}

func TestCommandWhoseContextEndsBeforeItIsSentIsNotSent(t *testing.T) {
	t.Parallel()
	var sent atomic.Int32
	thaw := make(chan struct{})
	s, _ := answering(func(string) { sent.Add(1); <-thaw })
	var all sync.WaitGroup
	s.asks(t, &all, t.Context(), "first", nil)
	s.holds(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for s.waiting() == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	_, err := s.ask(ctx, "second")
	require.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "not sent")
	assert.False(t, MayBeApplied(err))
	close(thaw)
	all.Wait()
	third, err := s.ask(t.Context(), "third")
	require.NoError(t, err)
	assert.Equal(t, "third", third)
	assert.EqualValues(t, 2, sent.Load())
}

func TestCommandBehindManyThatWereLeftIsSent(t *testing.T) {
	t.Parallel()
	thaw := make(chan struct{})
	s, _ := answering(func(string) { <-thaw })
	var all, leave sync.WaitGroup
	s.asks(t, &all, t.Context(), "first", nil)
	s.holds(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	for range maxBatch {
		s.asks(t, &leave, ctx, "left", context.Canceled)
	}
	s.holds(t, maxBatch)
	cancel()
	leave.Wait()
	s.asks(t, &all, t.Context(), "last", nil)
	s.holds(t, maxBatch+1)
	close(thaw)
	all.Wait()
}

func TestBatchThatStallsDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	thaw := make(chan struct{})
	s, _ := answering(func(word string) {
		if word == "frozen" {
			<-thaw
		}
	})
	var frozen, all sync.WaitGroup
	s.asks(t, &frozen, t.Context(), "frozen", nil)
	require.Eventually(t, s.hasSentAll, 5*time.Second, time.Millisecond)
	for n := range 50 {
		s.asks(t, &all, t.Context(), strconv.Itoa(n), nil)
	}
	all.Wait() // while the first is still frozen
	close(thaw)
	frozen.Wait()
}

func TestCommandThatIsLeftIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	thaw := make(chan struct{})
	s, _ := answering(func(word string) {
		if word == "late" {
			<-thaw
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for !s.hasSentAll() {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	_, err := s.ask(ctx, "late")
	require.ErrorIs(t, err, context.Canceled)
	assert.True(t, MayBeApplied(err))
	close(thaw) // it completes while others are being sent
	for range 100 {
		value, err := s.ask(t.Context(), "other")
		require.NoError(t, err)
		require.Equal(t, "other", value)
	}
}

func TestBatchIsGivenUpWhenAllItsCallersHaveLeft(t *testing.T) {
	t.Parallel()
	begin, ended := make(chan struct{}), make(chan error, 1)
	s, c := answering(func(string) { <-begin })
	c.together = func(ctx context.Context) error {
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}
	var all sync.WaitGroup
	s.asks(t, &all, t.Context(), "x", nil)
	s.holds(t, 0)
	one, cancelOne := context.WithCancel(t.Context())
	other, cancelOther := context.WithCancel(t.Context())
	s.asks(t, &all, one, "x", context.Canceled)
	s.asks(t, &all, other, "x", context.Canceled)
	s.holds(t, 2)
	close(begin)
	s.holds(t, 0)
	cancelOne()
	assert.Never(t, func() bool { return len(ended) > 0 }, 3*stallAfter, stallAfter)
	cancelOther()
	all.Wait()
	assert.ErrorIs(t, <-ended, context.Canceled)
}

func TestBatchThatFailsBeforeAnythingIsWrittenFailsForAll(t *testing.T) {
	t.Parallel()
	begin, broken := make(chan struct{}), errors.New("a hook of the client refuses pipelines")
	s, c := answering(func(string) { <-begin })
	c.together = func(context.Context) error { return broken }
	var all sync.WaitGroup
	s.asks(t, &all, t.Context(), "x", nil)
	s.holds(t, 0)
	s.asks(t, &all, t.Context(), "x", broken)
	s.asks(t, &all, t.Context(), "x", broken)
	s.holds(t, 2)
	close(begin)
	all.Wait()
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
