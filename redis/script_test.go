package redis

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/redis/internal/script"
)

func TestReplyIsALetterAndItsNumber(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]reply{
		"g1795467890123456":     {kind: granted, number: 1795467890123456},
		"r7":                    {kind: resumed, number: 7},
		"g18446744073709551615": {kind: granted, number: 1<<64 - 1},
		"q0":                    {kind: queued, number: 0},
		"q1500":                 {kind: queued, number: 1500},
		"q-1":                   {kind: queued, number: noExpiry},
		"u250":                  {kind: unsubscribed, number: 250},
		"u-1":                   {kind: unsubscribed, number: noExpiry},
		"p":                     {kind: polls, number: 0},
		"n":                     {kind: no, number: 0},
		"y":                     {kind: yes, number: 0},
		"e":                     {kind: earlier, number: 0},
	} {
		got, err := parseReply(value, "grqupnye")
		require.NoError(t, err, value)
		assert.Equal(t, want, got, value)
		_, err = parseReply(value, strings.ReplaceAll("grqupnye", value[:1], ""))
		assert.Error(t, err, "%q is none that the script gives", value)
	}
	for _, value := range []string{"", "x", "g", "r", "q", "u", "g-1", "g+1", "g1x", "g 1", "g18446744073709551616", "p1", "y ", "yy", "n0", "e1", "1", "G1", "gg1"} {
		got, err := parseReply(value, "grqupnye")
		require.ErrorContains(t, err, strconv.Quote(value))
		assert.Equal(t, reply{}, got, value)
	}
}

// A copy of a script that changes the holder of the lock may arrive after its claim has
// been released.
func TestTheClientItselfMayRepeatRefreshesAlone(t *testing.T) {
	t.Parallel()
	for s, may := range map[*script.Script]bool{acquireScript: false, passScript: false, releaseScript: false, refreshScript: true, refreshAllScript: true} {
		assert.Equal(t, may, s.Idempotent, s.Source)
	}
}
