package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/schedule"
)

func TestThereIsOneRunEachNight(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"UTC", "Europe/Berlin", "Europe/Helsinki", "America/New_York", "Australia/Lord_Howe"} {
		place, err := time.LoadLocation(zone)
		require.NoError(t, err)
		now := time.Date(2026, time.January, 1, 12, 0, 0, 0, place)
		run := schedule.At(threeOClock).Driver()
		for night := 2; night < 2+365; night++ { // including those on which the clocks change
			delay, ok := run.Next(now, nil)
			require.True(t, ok)
			now = now.Add(delay)
			want := time.Date(2026, time.January, night, 3, 0, 0, 0, place)
			require.Equal(t, want, now)
			now = now.Add(time.Minute)
		}
		assert.Equal(t, 2027, now.Year())
	}
}
