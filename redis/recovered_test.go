package redis

import (
	"context"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAPanicOfTheClientIsTheErrorOfItsCommand(t *testing.T) {
	t.Parallel()
	l := stub(func(_ context.Context, c *command) error {
		if c.words[0] == "x" {
			panic("a hook")
		}
		return answers(c)
	})
	_, err := l.send(t.Context(), ask("x"), nil)
	require.ErrorContains(t, err, "redis: the client panicked: a hook")
	assert.ErrorContains(t, err, "recovered_test.go", "where")
	value, err := l.send(t.Context(), ask("y"), nil)
	require.NoError(t, err)
	assert.Equal(t, "y", value)
	_, err = call(t.Context(), func(context.Context) (string, error) { panic("a hook") })
	require.ErrorContains(t, err, "redis: the client panicked: a hook")
}

func TestWhatIsNeitherYesNorNoIsAnError(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string]bool{"1": true, "0": false} {
		got, err := yes(reply, nil)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, reply := range []string{"", "2", "OK", "01"} {
		got, err := yes(reply, nil)
		require.ErrorContains(t, err, strconv.Quote(reply))
		assert.False(t, got)
	}
	got, err := yes("1", context.Canceled)
	assert.Equal(t, context.Canceled, err)
	assert.False(t, got)
}
