package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

func TestOurCallsKeepTheirDeadlineAndTheirFiguresAreWrittenDown(t *testing.T) {
	t.Parallel()
	if os.Getenv(redistest.Binary) == "" {
		redistest.Start(t) // skips the test, and says why
	}
	ours := libraries[0]
	redislock, ok := libraryNamed("redislock")
	require.True(t, ok)
	s := survey{
		faults: faults[2:3], libraries: []library{ours, redislock},
		deadlines: []time.Duration{25 * time.Millisecond, 2 * time.Second},
		cutOff:    20 * time.Second, spacing: whole.spacing,
	}
	taken := s.take(t.Context())
	for at, f := range taken.figures {
		require.Nil(t, f.failed, "%+v", at)
		assert.False(t, f.endless, "%+v", at)
		if at.library == ours.name {
			assert.False(t, f.left, "%+v", at)
		}
		if at.library == ours.name && at.within > 0 {
			assert.LessOrEqual(t, f.longest, at.within+grace+taken.late, "%+v", at)
		}
	}
	assert.True(t, taken.figures[spot{s.faults[0].text, "acquire", "redislock", true, 25 * time.Millisecond}].left,
		"what is said of the best is worth something if it says otherwise of others")

	name := filepath.Join(t.TempDir(), "a.md")
	require.NoError(t, os.WriteFile(name, []byte("before\n"+boundsBegin+"stale figures\n"+boundsEnd+"after\n"), 0o600))
	require.NoError(t, taken.writeInto(t.Context(), name))
	document, err := os.ReadFile(name)
	require.NoError(t, err)
	before, text, after, err := between(string(document))
	require.NoError(t, err)
	assert.Equal(t, "before\n", before)
	assert.Equal(t, "after\n", after)
	assert.NotContains(t, text, "stale")
	const figure = `(\*\*)?\d+(\.\d)? m?s(\*\*)?†?`
	for _, row := range cells(text)[1:] {
		if !slices.Contains(row, "effectlock") {
			assert.Regexp(t, `^(–|`+figure+`( · `+figure+`)?)$`, row[2])
			assert.Regexp(t, `^(–|`+figure+`( · `+figure+`)?)$`, row[3])
		}
	}
}

// The document has a figure for each current call; ours keep their deadlines, and leave nothing.
func TestTheDocumentHasEveryBound(t *testing.T) {
	t.Parallel()
	redistest.Require(t) // the text contains its version
	document, err := os.ReadFile("../../docs/guarantees.md")
	require.NoError(t, err)
	_, text, _, err := between(string(document))
	require.NoError(t, err)
	none := surveyed{survey: whole}
	want, have := cells(none.text(t.Context())), cells(text)
	require.Len(t, have, len(want))
	for i, row := range want {
		require.Len(t, have[i], len(row))
		assert.Equal(t, row[:2], have[i][:2])
		for n := 2; n < len(row); n++ {
			assert.Equal(t, strings.Count(row[n], "·"), strings.Count(have[i][n], "·"), "%q", have[i])
		}
		assert.NotContains(t, have[i][2], "**", "%q", have[i])
		if row[1] != "release" {
			assert.NotContains(t, have[i][2], "†", "%q", have[i])
		}
	}
	assert.NotContains(t, text, "failed")
}

// cells are the rows of the tables in a text, without the lines below their heads.
func cells(text string) (rows [][]string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "| ---") {
			row := strings.Split(strings.Trim(line, "|"), "|")
			for i := range row {
				row[i] = strings.TrimSpace(row[i])
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func TestADocumentWithoutAPlaceForTheBoundsIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", boundsBegin, boundsEnd + boundsBegin} {
		_, _, _, err := between(text)
		assert.ErrorContains(t, err, "no line ")
	}
}

func TestAFigureIsBoldIfItsDeadlineWasNotKept(t *testing.T) {
	t.Parallel()
	const within = 25 * time.Millisecond
	for want, f := range map[string]figure{
		"26 ms":             {longest: 25*time.Millisecond + 1},
		"225 ms†":           {longest: within + grace, left: true},
		"**226 ms**†":       {longest: within + grace + 1, left: true},
		"**5.1 s**":         {longest: 5*time.Second + 1},
		"**> 60 s**":        {endless: true},
		"**failed**: a, b.": {failed: "a, b."},
	} {
		assert.Equal(t, want, f.text(within, time.Minute))
	}
	assert.Equal(t, "> 60 s", figure{endless: true}.text(0, time.Minute))
	assert.Equal(t, "17.0 s", figure{longest: 17 * time.Second}.text(0, time.Minute))
}
