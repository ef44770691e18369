package main

import (
	"bufio"
	"context"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeClient is a client whose locks are a function.
type fakeClient func(section func(context.Context)) func(context.Context) error

func (f fakeClient) locker(_ string, section func(context.Context)) func(context.Context) error {
	return f(section)
}
func (f fakeClient) hold(context.Context, string) error { return nil }
func (f fakeClient) stored(key string) string           { return key }

// noLock lets everybody in, after a round trip.
func noLock(section func(context.Context)) func(context.Context) error {
	return func(ctx context.Context) error {
		time.Sleep(time.Millisecond)
		section(ctx)
		return nil
	}
}

// fifoLock is a lock that serves its waiters in order, as Go's channels do.
func fifoLock() fakeClient {
	turn := make(chan struct{}, 1)
	return func(section func(context.Context)) func(context.Context) error {
		return func(ctx context.Context) error {
			select {
			case turn <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			section(ctx)
			time.Sleep(time.Millisecond)
			<-turn
			return nil
		}
	}
}

// watched runs a crowd of 10 for a window of 1 s.
func watched(t *testing.T, c *crowd, cl client) (answer, error) {
	t.Helper()
	seen := &inside{}
	for range 10 {
		c.join(cl, "key", seen)
	}
	from := time.Now().Add(100 * time.Millisecond).UnixNano()
	return c.watch(t.Context(), &trial{
		plan: plan{window: time.Second},
		wire: &wire{},
		in:   bufio.NewReader(strings.NewReader(strconv.FormatInt(from, 10) + "\n")),
		out:  io.Discard,
	})
}

func TestABrokenLockIsSeenAlsoInEmptySections(t *testing.T) {
	for name, body := range map[string]func(){
		"empty section": nil,
		"section of 1s": func() { time.Sleep(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := watched(t, &crowd{body: body}, fakeClient(noLock))
				assert.ErrorIs(t, err, errNotExclusive)
			})
		})
	}
}

func TestAFairLockIsMeasuredAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := watched(t, &crowd{records: true}, fifoLock())
		require.NoError(t, err)
		assert.InDelta(t, 1000, a.Figures["ops/s"], 2)
		assert.InDelta(t, 1, a.Figures["jain"], 0.001)
		assert.InDelta(t, 1, a.Figures["handed"], 0.01, "each acquisition is another goroutine's")
		assert.InDelta(t, 0.001, a.Figures["time/handoff"], 0.0001)
		assert.InDelta(t, 0.010, a.Figures["longest"], 0.0011)
		assert.InDelta(t, 500, a.Figures["late"], 2)
		assert.Len(t, a.Sections, int(a.Figures["acquired"]))
		assert.Len(t, a.Shares, 10)
		assert.Empty(t, a.Notes)
	})
}

func TestWhoNeverGetsTheLockHasTheLongestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lucky := true
		greedy := fakeClient(func(section func(context.Context)) func(context.Context) error {
			mine := lucky
			lucky = false
			return func(ctx context.Context) error {
				if !mine {
					<-ctx.Done()
					return ctx.Err()
				}
				time.Sleep(time.Millisecond)
				section(ctx)
				return nil
			}
		})
		a, err := watched(t, &crowd{}, greedy)
		require.NoError(t, err)
		assert.InDelta(t, 0.1, a.Figures["jain"], 0.001)
		assert.InDelta(t, 1.1, a.Figures["longest"], 0.001, "since before the window")
		assert.NotContains(t, a.Figures, "time/handoff", "nothing was handed on")
	})
}

func TestFailuresAndStragglersAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deaf := make(chan struct{})
		calls := 0
		failing := fakeClient(func(func(context.Context)) func(context.Context) error {
			calls++
			if calls == 1 {
				return func(context.Context) error {
					<-deaf
					return nil
				}
			}
			return func(context.Context) error { return io.ErrUnexpectedEOF }
		})
		a, err := watched(t, &crowd{}, failing)
		require.NoError(t, err)
		assert.Equal(t, []string{"1 of 10 goroutines did not come back when cancelled", "errors such as: unexpected EOF"}, a.Notes)
		assert.Zero(t, a.Figures["late"])
		close(deaf)
	})
}
