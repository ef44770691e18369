package memory_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

func TestARepeatedYieldAnswersThatItYielded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		acquire(t, m, "k", "a", time.Minute)
		b, toldB := waiter("k", "b", time.Minute)
		c, toldC := waiter("k", "c", time.Minute)
		enqueue(t, m, b)
		for range 3 {
			ok, s := pass(t, m, "a", c, true)
			assert.True(t, ok)
			assert.Equal(t, backing.Standing{AskAgain: time.Minute}, s)
		}
		assert.Len(t, *toldB, 1)

		ok, _ := pass(t, m, "x", c, true)
		assert.False(t, ok, "x never had the key")
		d, toldD := waiter("k", "d", time.Minute)
		ok, s := pass(t, m, "a", d, true)
		assert.True(t, ok, "a had the key until it let go")
		assert.Zero(t, s, "but d has it not from a, who yielded to c")
		assert.Empty(t, *toldD)

		require.True(t, release(t, m, "k", "b"))
		require.Len(t, *toldC, 1)
		ok, s = pass(t, m, "a", c, true)
		assert.True(t, ok)
		assert.Equal(t, option.Some((*toldC)[0].Grant), s.Grant)
	})
}

func TestOneWhoYieldsKeepsItsPlaceInLine(t *testing.T) {
	t.Parallel()
	m := memory.New()
	acquire(t, m, "k", "a", time.Minute)
	b, toldB := waiter("k", "b", time.Minute)
	c, toldC := waiter("k", "c", time.Minute)
	enqueue(t, m, b)
	enqueue(t, m, c)
	ok, s := pass(t, m, "a", b, true)
	assert.True(t, ok)
	assert.True(t, option.IsSome(s.Grant), "it was the first itself")
	assert.Empty(t, *toldB)
	assert.Empty(t, *toldC)
}

func pass(t *testing.T, m *memory.Backing, from string, next backing.Waiter, yield bool) (bool, backing.Standing) {
	t.Helper()
	ok, s, err := m.Pass(t.Context(), from, next, yield)
	require.NoError(t, err)
	return ok, s
}

func ExampleBacking_Pass() {
	ctx, store := context.Background(), memory.New()
	claim := func(holder string) backing.Claim {
		return backing.Claim{Key: "printer", Holder: holder, TTL: 30 * time.Second}
	}

	_, _ = store.TryAcquire(ctx, claim("ann"))
	passed, _, _ := store.Pass(ctx, "ann", backing.Waiter{Claim: claim("bob")}, false)
	holder, _ := store.GetHolder(ctx, "printer")
	fmt.Println(passed, option.GetOrElse(func() string { return "nobody" })(holder))
	// Output:
	// true bob
}
