package backing_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/effectlock/effectlock/backing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errPassword = errors.New("wrong password")

func TestOnlyMarkedErrorsArePermanent(t *testing.T) {
	t.Parallel()
	marked := backing.Permanent(errPassword)
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"marked", marked, true},
		{"marked twice", backing.Permanent(marked), true},
		{"marked, then wrapped", fmt.Errorf("refresh: %w", marked), true},
		{"marked, then joined", errors.Join(errors.New("another"), marked), true},
		{"not marked", errPassword, false},
		{"nil", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, c.want, backing.IsPermanent(c.err))
		})
	}
}

func TestAMarkedErrorReadsAndMatchesAsBefore(t *testing.T) {
	t.Parallel()
	marked := backing.Permanent(errPassword)
	assert.EqualError(t, marked, "wrong password")
	assert.ErrorIs(t, marked, errPassword)
}

func TestPermanentOfNilIsNil(t *testing.T) {
	t.Parallel()
	assert.NoError(t, backing.Permanent(nil))
}

func ExamplePermanent() {
	err := backing.Permanent(errors.New("server is older than 6.2"))
	fmt.Println(err)
	fmt.Println(backing.IsPermanent(err))
	fmt.Println(backing.IsPermanent(errors.New("connection reset")))
	// Output:
	// server is older than 6.2
	// true
	// false
}
