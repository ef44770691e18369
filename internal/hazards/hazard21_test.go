package hazards_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
)

// One who does not have the lock makes the lease of the one who has it neither
// longer nor shorter, and makes no lease where there is none.
func TestHazard21_ARefreshByAnotherTouchesNoLease(t *testing.T) {
	t.Parallel()
	for name, wanted := range map[string]time.Duration{"for longer": 2 * long, "for less": long / 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			b := s.process(t)
			for _, k := range []string{"theirs", "ours"} {
				_, err := b.TryAcquire(t.Context(), backing.Claim{Key: k, Holder: k, TTL: long})
				require.NoError(t, err)
			}
			claim := func(key string) backing.Claim { return backing.Claim{Key: key, Holder: "ours", TTL: wanted} }
			theirs, ours, nobodys := claim("theirs"), claim("ours"), claim("nobody's")

			before := time.Now()
			for _, c := range []backing.Claim{theirs, nobodys} {
				held, err := b.Refresh(t.Context(), c)
				require.NoError(t, err)
				assert.False(t, held, c.Key)
			}
			assert.Equal(t, []backing.Refreshed{{}, {Held: true}, {}}, b.RefreshAll(t.Context(), []backing.Claim{theirs, ours, nobodys}))

			left := s.ttl(t, "theirs")
			assert.LessOrEqual(t, left, long)
			assert.Greater(t, left, long-time.Since(before)-little)
			assert.InDelta(t, wanted, s.ttl(t, "ours"), float64(little))
			assert.Negative(t, s.ttl(t, "nobody's"))
		})
	}
}
