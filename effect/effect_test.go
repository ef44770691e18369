package effect_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	F "github.com/IBM/fp-go/v2/function"
	RR "github.com/IBM/fp-go/v2/idiomatic/context/readerresult"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/schedule"
)

func TestSleepOfNothingOnlyChecksTheContext(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{0, -1, -time.Hour} {
		_, err := effect.Sleep(d)(t.Context())
		require.NoError(t, err)
		_, err = effect.Sleep(d)(canceled(errCause))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errCause)
	}
}

func TestAbsurdPassesTheFailureOn(t *testing.T) {
	t.Parallel()
	n, err := effect.Absurd[int](effect.Fail[effect.Never](errBoom))(t.Context())
	assert.Zero(t, n)
	assert.Equal(t, errBoom, err)
}

// box is a value whose method is an effect.
type box struct{ n int }

func (b box) Get(context.Context) (int, error) { return b.n, nil }

func TestFpGoComposesOurEffectsWithoutAnAdapter(t *testing.T) {
	t.Parallel()
	type state struct{ a, b int }
	text := F.Pipe8(
		RR.Do(state{}),
		RR.Bind(func(a int) func(state) state {
			return func(s state) state { s.a = a; return s }
		}, func(state) effect.Effect[int] { return box{19}.Get }), // a method
		RR.Bind(func(b int) func(state) state {
			return func(s state) state { s.b = b; return s }
		}, func(s state) effect.Effect[int] {
			return effect.Scoped(func(*effect.Scope) effect.Effect[int] { return effect.Succeed(s.a + 4) })
		}),
		effect.Map(func(s state) int { return s.a + s.b }),
		RR.Chain(func(n int) effect.Effect[int] { return effect.Succeed(n) }),
		effect.FlatMap(func(n int) RR.ReaderResult[string] { return RR.Of(strconv.Itoa(n)) }),
		effect.Retry[string](schedule.Recurs(2)),
		effect.Timeout[string](time.Minute),
		effect.CatchAll(func(error) effect.Effect[string] { return effect.Succeed("failed") }),
	)
	s, err := text(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "42", s)
}
