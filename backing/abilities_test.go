package backing_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// embedding inherits all methods of a store, including Abilities.
type embedding struct{ *memory.Backing }

// uncomparable does too, and cannot be compared.
type uncomparable struct {
	backing.Able
	_ []int
}

// queueing passes one ability on.
type queueing struct{ *memory.Backing }

func (q queueing) Abilities() backing.Abilities {
	return backing.Abilities{Of: q, Queue: q.Backing}
}

func TestAbilitiesAreThoseOfTheStoreItself(t *testing.T) {
	t.Parallel()
	m := memory.New()
	for _, c := range []struct {
		name  string
		store backing.Backing
		want  backing.Abilities
	}{
		{"a store with all abilities", m, backing.Abilities{Of: m, Queue: m, Passer: m, Batcher: m, Releaser: m}},
		{"a store without abilities", struct{ backing.Backing }{m}, backing.Abilities{}},
		{"a decorator that embeds a store", embedding{m}, backing.Abilities{}},
		{"a decorator that cannot be compared", uncomparable{Able: m}, backing.Abilities{}},
		{"a decorator that passes one on", queueing{m}, backing.Abilities{Of: queueing{m}, Queue: m}},
		{"a decorator of a decorator", struct{ queueing }{queueing{m}}, backing.Abilities{}},
		{"nothing", nil, backing.Abilities{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, c.want, backing.AbilitiesOf(c.store))
		})
	}
}

func ExampleAbilitiesOf() {
	store := &counted{Backing: memory.New()}
	abilities := backing.AbilitiesOf(store)
	fmt.Println("it waits in the queue of the store that it embeds:", abilities.Queue != nil)
	fmt.Println("it refreshes past the method that counts:", abilities.Batcher != nil)
	// Output:
	// it waits in the queue of the store that it embeds: true
	// it refreshes past the method that counts: false
}

// counted counts refreshes, and passes on the abilities that leave Refresh alone.
type counted struct {
	*memory.Backing
	refreshes atomic.Int64
}

func (c *counted) Refresh(ctx context.Context, claim backing.Claim) (bool, error) {
	c.refreshes.Add(1)
	return c.Backing.Refresh(ctx, claim)
}

func (c *counted) Abilities() backing.Abilities {
	inner := c.Backing.Abilities()
	return backing.Abilities{Of: c, Queue: inner.Queue, Passer: inner.Passer, Releaser: inner.Releaser}
}
