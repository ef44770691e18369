package redistest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAfterACommandItIsAppliedAndNotYetAnswered(t *testing.T) {
	t.Parallel()
	p, c, direct := through(t)
	applied, goOn, answered := make(chan string, 1), make(chan struct{}), make(chan error, 1)
	p.AfterNext("INCR", func() {
		applied <- direct.Get(t.Context(), "n").Val()
		<-goOn
	})
	require.NoError(t, c.Set(t.Context(), "n", 5, 0).Err(), "other commands are not meant")
	go func() { answered <- c.Incr(t.Context(), "n").Err() }()
	assert.Equal(t, "6", <-applied)
	select {
	case err := <-answered:
		require.Fail(t, "the answer has passed", "%v", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(goOn)
	require.NoError(t, <-answered)
	require.EqualValues(t, 7, c.Incr(t.Context(), "n").Val(), "only one command was meant")
}

func TestAnAnswerIsLostByAResetAfterItsCommand(t *testing.T) {
	t.Parallel()
	p, c, direct := through(t)
	p.AfterNext("n", p.Reset)
	require.Error(t, c.Incr(t.Context(), "n").Err())
	require.Equal(t, "1", direct.Get(t.Context(), "n").Val())
	require.EqualValues(t, 2, c.Incr(t.Context(), "n").Val())
}

func TestAnAnswerWaitsForTheEndOfACutAfterItsCommand(t *testing.T) {
	t.Parallel()
	p, c, direct := through(t)
	cut, answered := make(chan struct{}), make(chan error, 1)
	p.AfterNext("incr", func() { p.Cut(); close(cut) })
	go func() { answered <- c.Incr(t.Context(), "n").Err() }()
	<-cut
	require.Equal(t, "1", direct.Get(t.Context(), "n").Val())
	select {
	case err := <-answered:
		require.Fail(t, "the answer has passed", "%v", err)
	case <-time.After(20 * time.Millisecond):
	}
	p.Heal()
	require.NoError(t, <-answered)
}

func TestAHealedProxyForgetsWhatWasToBeDone(t *testing.T) {
	t.Parallel()
	p, c, _ := through(t)
	p.AfterNext("incr", p.Reset)
	p.Heal()
	require.NoError(t, c.Incr(t.Context(), "n").Err())
}
