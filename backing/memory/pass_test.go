package memory_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

func TestARepeatedPassMustPollWhenTheLeaseOfTheNextHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		acquire(t, m, "k", "a", time.Minute)
		b, _ := waiter("k", "b", time.Second)
		require.IsType(t, backing.Granted{}, pass(t, m, "a", b, false))
		time.Sleep(time.Second)
		assert.Equal(t, backing.MustPoll{}, pass(t, m, "a", b, false))
	})
}

func TestPassTellsApartTheClaimsOfOneHolder(t *testing.T) {
	t.Parallel()
	m := memory.New()
	first := backing.Claim{Key: "k", Holder: "a", TTL: time.Hour, Attempt: "1"}
	second := backing.Waiter{Claim: backing.Claim{Key: "k", Holder: "a", TTL: time.Hour, Attempt: "2"}}
	acquireClaim(t, m, first)
	passClaim := func() backing.Outcome {
		o, err := m.Pass(t.Context(), first, second, false)
		require.NoError(t, err)
		return o
	}
	before, ok := passClaim().(backing.Granted)
	require.True(t, ok)
	assert.False(t, before.Resumed)
	assert.Equal(t, backing.Granted{Grant: backing.Grant{Token: before.Token, Resumed: true}}, passClaim())
	assert.Equal(t, backing.FreedEarlier, releaseClaim(t, m, first))
	assert.Equal(t, backing.FreedNow, releaseClaim(t, m, second.Claim))
	assert.Equal(t, backing.MustPoll{}, passClaim())
}

func TestPassToItselfIsARelease(t *testing.T) {
	t.Parallel()
	m := memory.New()
	acquire(t, m, "k", "a", time.Minute)
	a, _ := waiter("k", "a", time.Minute)
	assert.Equal(t, backing.MustPoll{}, pass(t, m, "a", a, false))
	assert.Equal(t, option.None[string](), holder(t, m, "k"))
}

func pass(t *testing.T, m *memory.Backing, from string, next backing.Waiter, yield bool) backing.Outcome {
	t.Helper()
	o, err := m.Pass(t.Context(), backing.Claim{Key: next.Key, Holder: from}, next, yield)
	require.NoError(t, err)
	return o
}
