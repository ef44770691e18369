package protocol_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// What topologies do to a protocol in which a message is a grant.
func TestAMessageThatIsAGrantMakesTwoWork(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		topology
		mishaps uint8
		two     bool
	}{
		"received, though nobody was counted":              {uncounted, 1, true},
		"doubled":                                          {doubled, 1, false},
		"doubled, and the clock is another one":            {doubled | otherClock, 2, true},
		"late from the old primary":                        {outdated, 1, false},
		"late from the old primary, and its clock another": {outdated | otherClock, 1, true},
		"from the new primary, whose clock is another":     {otherClock, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := model{process: [claimants]int{0, 1, 2}, topology: c.topology, mishaps: c.mishaps, only: "two work"}
			x, found := m.explore()
			t.Logf("%d states: %v", len(x.from), found)
			assert.Equal(t, c.two, found != nil)
		})
	}
}
