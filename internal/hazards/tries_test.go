package hazards_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// tries is a backing that knows when a lease was tried to be refreshed.
type tries struct {
	*redis.Backing
	failed func(error) // is told what refreshes failed with, if not nil

	mu        sync.Mutex
	starts    []time.Time
	succeeded time.Time // the last one that did, when it began
	together  int       // the most leases that were refreshed with one request
}

func newTries(b *redis.Backing) *tries { return &tries{Backing: b} }

func (r *tries) Abilities() backing.Abilities {
	return backing.Abilities{Of: r, Queue: r.Backing, Passer: r.Backing, Batcher: r, Releaser: r.Backing}
}

func (r *tries) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	start := time.Now()
	r.mu.Lock()
	r.starts = append(r.starts, start)
	r.mu.Unlock()
	held, err := r.Backing.Refresh(ctx, c)
	if err != nil && r.failed != nil {
		r.failed(err)
	}
	if held && err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.succeeded = start
	}
	return held, err
}

func (r *tries) RefreshAll(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
	r.mu.Lock()
	r.together = max(r.together, len(claims))
	r.mu.Unlock()
	return r.Backing.RefreshAll(ctx, claims)
}

// most is how many leases were refreshed with one request.
func (r *tries) most() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.together
}

func (r *tries) begun() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.starts)
}

// awaitSuccess waits for a refresh that begins from now on and succeeds.
func (r *tries) awaitSuccess(t *testing.T) {
	t.Helper()
	now := time.Now()
	eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.succeeded.After(now)
	}, "it is refreshed")
}

// witness remembers what it is told.
type witness struct {
	mu   sync.Mutex
	said strings.Builder
}

func (w *witness) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said.WriteString(err.Error() + "\n")
}

func (w *witness) all() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said.String()
}

// lossOf is the loss that err must be.
func lossOf(t *testing.T, err error) *mutex.LockLostError {
	t.Helper()
	var lost *mutex.LockLostError
	require.ErrorAs(t, err, &lost)
	return lost
}
