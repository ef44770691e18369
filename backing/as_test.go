package backing_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// plain has the five operations and no ability.
type plain struct{ backing.Backing }

type wrapping struct{ plain }

func (w wrapping) Unwrap() backing.Backing { return w.Backing }

// batching brings one ability along and wraps the others.
type batching struct{ wrapping }

func (batching) RefreshAll(context.Context, []backing.Claim) []backing.Refreshed {
	return []backing.Refreshed{{Held: true}}
}

// related has a method of the same name, which means something else.
type related struct{ plain }

func (related) Unwrap() error { return nil }

func wrap(b backing.Backing) wrapping { return wrapping{plain{b}} }

func TestAsFindsAnAbilityInWhatHasItAndInWhatWrapsThat(t *testing.T) {
	t.Parallel()
	m := memory.New()
	for _, c := range []struct {
		name  string
		store backing.Backing
		want  backing.Queue
	}{
		{"the backing itself", m, m},
		{"wrapped", wrap(m), m},
		{"wrapped three times", wrap(wrap(wrap(m))), m},
		{"wrapped by one with another ability", batching{wrap(m)}, m},
		{"hidden", plain{m}, nil},
		{"hidden and wrapped", wrap(plain{m}), nil},
		{"an Unwrap of another kind", related{plain{m}}, nil},
		{"a decorator of nothing", wrap(nil), nil},
		{"nothing", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			queue, ok := backing.As[backing.Queue](c.store)
			assert.Equal(t, c.want != nil, ok)
			if ok {
				assert.Same(t, c.want, queue)
			} else {
				assert.Nil(t, queue)
			}
		})
	}
}

func TestAsPrefersTheOutermost(t *testing.T) {
	t.Parallel()
	batcher, ok := backing.As[backing.Batcher](wrap(batching{wrap(memory.New())}))
	require.True(t, ok)
	assert.IsType(t, batching{}, batcher)
}

func ExampleAs() {
	// counted hands every call on; Unwrap shows what it wraps.
	store := counted{Backing: memory.New()}
	_, direct := any(store).(backing.Queue)
	_, found := backing.As[backing.Queue](store)
	fmt.Println("queue of its own:", direct)
	fmt.Println("queue of what it wraps:", found)
	// Output:
	// queue of its own: false
	// queue of what it wraps: true
}

type counted struct{ backing.Backing }

func (c counted) Unwrap() backing.Backing { return c.Backing }
