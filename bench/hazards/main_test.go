package main

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// TestMain is also the entry point of a scenario's processes.
func TestMain(m *testing.M) {
	if orders, ok := os.LookupEnv(ordersVariable); ok {
		if follow(orders) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	redistest.Main(m)
}

func TestOursComesThroughEveryScenario(t *testing.T) {
	t.Parallel()
	want := map[int]string{
		1:  "^acquired (at once|after 0.[0-9] s)$",
		2:  "^released; says nothing$",
		3:  "^returns after [01].[0-9] s, free after [01].[0-9] s$",
		6:  "^released; says nothing$",
		7:  "^released; the panic continues$",
		8:  `^cancelled 0\.\d+ s before the other$`,
		9:  `^cancelled 0\.\d+ s before the other$`,
		11: `^cancelled (at once|after [01]\.\d s); .LockLostError. \(gone\)$`,
		13: `^untouched; .LockLostError. \(expired\)$`,
		14: "^on waking, cancelled (at once|after [01].[0-9] s)$",
		19: "^no key left$",
		21: `^untouched; cancelled (at once|after [01]\.\d s); .LockLostError. \(taken\)$`,
		24: "^when the lease ends, acquires (at once|after [01].[0-9] s)$",
		26: `^1\.[0-3]$`,
		27: `^the next acquires (at once|after [01]\.\d s), at worst$`,
		28: `^acquires (at once|after [01]\.\d s); \d new connections in 3 s$`,
		37: "^refused: says .mutex: TTL is 500µs",
		40: "^waits$",
		45: "^rising$",
	}
	for _, sc := range scenarios {
		t.Run(sc.text, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, want, sc.number)
			assert.Regexp(t, want[sc.number], play(t.Context(), t, libraries[0], sc))
		})
	}
}

// Praise of the best library is worth something only if the table faults the worst.
func TestALockWithoutRenewalDoesNot(t *testing.T) {
	t.Parallel()
	raw, ok := libraryNamed("raw")
	require.True(t, ok)
	for number, want := range map[int]string{
		1:  "^acquired after ",
		2:  "^released; says .0 keys deleted.$",
		3:  `\*\*held for (9|10)\.\d s\*\*$`,
		8:  `^\*\*never cancelled, both work\*\*$`,
		11: `^\*\*never cancelled\*\*; `,
		14: `^\*\*never cancelled, both work\*\*$`,
		21: `^untouched; \*\*never cancelled\*\*; `,
		45: "^–$",
	} {
		i := slices.Index(numbers(), number)
		t.Run(scenarios[i].text, func(t *testing.T) {
			t.Parallel()
			assert.Regexp(t, want, play(t.Context(), t, raw, scenarios[i]))
		})
	}
}

func TestScenariosAreChosenByNumber(t *testing.T) {
	t.Parallel()
	chosen, err := choose("14,8")
	require.NoError(t, err)
	require.Len(t, chosen, 2)
	assert.Equal(t, []int{14, 8}, []int{chosen[0].number, chosen[1].number})
	for _, bad := range []string{"33", "x", "8,"} {
		_, err := choose(bad)
		assert.ErrorContains(t, err, "-scenarios: ")
	}
}
