package backing_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/backing"
)

var errRefused = errors.New("connection refused")

func TestOnlyMarkedErrorsAreNotSent(t *testing.T) {
	t.Parallel()
	marked := backing.NotSent(errRefused)
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"marked", marked, true},
		{"marked, and permanent", backing.NotSent(backing.Permanent(errRefused)), true},
		{"permanent, and marked", backing.Permanent(marked), true},
		{"marked, then wrapped", fmt.Errorf("acquire: %w", marked), true},
		{"marked, then joined: the other may have been sent", errors.Join(marked, errors.New("no reply")), false},
		{"joined, then marked", backing.NotSent(errors.Join(errRefused, context.Canceled)), true},
		{"not marked", errRefused, false},
		{"nil", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, c.want, backing.IsNotSent(c.err))
		})
	}
}

func TestAnErrorMarkedAsNotSentReadsAndMatchesAsBefore(t *testing.T) {
	t.Parallel()
	marked := backing.NotSent(errRefused)
	assert.EqualError(t, marked, "connection refused")
	assert.ErrorIs(t, marked, errRefused)
	assert.NoError(t, backing.NotSent(nil))
}

func ExampleNotSent() {
	err := backing.NotSent(errors.New("connection refused"))
	fmt.Println(err)
	fmt.Println(backing.IsNotSent(err))
	fmt.Println(backing.IsNotSent(errors.New("connection reset"))) // perhaps after the request had been read
	// Output:
	// connection refused
	// true
	// false
}
