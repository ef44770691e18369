package mutex_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	F "github.com/IBM/fp-go/v2/function"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

type locks struct{ first, second *mutex.KeepAlive }

func bothLocks(first, second *mutex.KeepAlive) locks { return locks{first, second} }

// A lock is a resource, and two locks are one. All programs must take them in the same order.
func ExampleMutex_Acquire_both() {
	store := memory.New()
	from, _ := mutex.New(store, "account 1", mutex.Config{})
	to, _ := mutex.New(store, "account 2", mutex.Config{})

	transfer := F.Pipe2(
		from.Acquire,
		effect.Both(to.Acquire, bothLocks),
		effect.Use(func(l locks) effect.Effect[string] {
			return effect.Succeed(fmt.Sprintf("transferred under %q and %q", l.first.Key(), l.second.Key()))
		}),
	)
	fmt.Println(transfer(context.Background()))
	// Output: transferred under "account 1" and "account 2" <nil>
}

func TestIfTheSecondLockIsTakenTheFirstIsFreeAgainBeforeTheScopeCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		first, second := newMutexOf(t, s, "first", mutex.Config{}), newMutexOf(t, s, "second", mutex.Config{})
		both := effect.Both(second.Acquire, bothLocks)(first.Acquire)
		_, err := effect.Scoped(func(scope *effect.Scope) effect.Effect[int] {
			return mutex.WithLock(second, func(ctx context.Context) (int, error) {
				for range 2 { // the second time would find the first lock taken
					_, err := effect.Timeout[locks](time.Minute)(both(scope))(ctx)
					require.ErrorContains(t, err, `lock "second"`)
				}
				locked, err := first.IsLocked(ctx)
				assert.False(t, locked)
				return 0, err
			})
		})(t.Context())
		require.NoError(t, err)
	})
}
