package backing_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/backingtest"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

func TestFuncsWithoutFunctionsIsItsBase(t *testing.T) {
	t.Parallel()
	backingtest.Run(t, func(*testing.T) backing.Backing { return &backing.Funcs{Base: memory.New()} }, backingtest.Virtual())
}

func TestFuncsHasNoAbilities(t *testing.T) {
	t.Parallel()
	assert.Equal(t, backing.Abilities{}, backing.AbilitiesOf(&backing.Funcs{Base: memory.New()}))
}

// answering is a Funcs whose functions all fail with err.
func answering(err error) *backing.Funcs {
	return &backing.Funcs{
		TryAcquireFunc: func(context.Context, backing.Claim) (option.Option[backing.Grant], error) {
			return option.None[backing.Grant](), err
		},
		RefreshFunc:   func(context.Context, backing.Claim) (bool, error) { return false, err },
		ReleaseFunc:   func(context.Context, string, string) (bool, error) { return false, err },
		IsLockedFunc:  func(context.Context, string) (bool, error) { return false, err },
		GetHolderFunc: func(context.Context, string) (option.Option[string], error) { return option.None[string](), err },
	}
}

// operations are the operations by name, with the function that stands for each removed.
var operations = []struct {
	name   string
	call   func(context.Context, backing.Backing) error
	remove func(*backing.Funcs)
}{
	{"TryAcquire", func(ctx context.Context, b backing.Backing) error { _, err := b.TryAcquire(ctx, job); return err }, func(f *backing.Funcs) { f.TryAcquireFunc = nil }},
	{"Refresh", func(ctx context.Context, b backing.Backing) error { _, err := b.Refresh(ctx, job); return err }, func(f *backing.Funcs) { f.RefreshFunc = nil }},
	{"Release", func(ctx context.Context, b backing.Backing) error {
		_, err := b.Release(ctx, job.Key, job.Holder)
		return err
	}, func(f *backing.Funcs) { f.ReleaseFunc = nil }},
	{"IsLocked", func(ctx context.Context, b backing.Backing) error { _, err := b.IsLocked(ctx, job.Key); return err }, func(f *backing.Funcs) { f.IsLockedFunc = nil }},
	{"GetHolder", func(ctx context.Context, b backing.Backing) error { _, err := b.GetHolder(ctx, job.Key); return err }, func(f *backing.Funcs) { f.GetHolderFunc = nil }},
}

var job = backing.Claim{Key: "job", Holder: "a", TTL: time.Second}

func TestFuncsAsksTheFunctionAndElseTheBase(t *testing.T) {
	t.Parallel()
	function, base := errors.New("from the function"), errors.New("from the base")
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			f := answering(function)
			f.Base = answering(base)
			require.ErrorIs(t, op.call(t.Context(), f), function)
			op.remove(f)
			require.ErrorIs(t, op.call(t.Context(), f), base)
			for _, other := range operations {
				if other.name != op.name {
					require.ErrorIs(t, other.call(t.Context(), f), function, other.name)
				}
			}
		})
	}
}

func TestAnOperationThatFuncsDoesNotHaveIsReportedWhenTheMutexIsMade(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			complete := answering(nil)
			incomplete := answering(nil)
			op.remove(incomplete)
			require.NoError(t, complete.CheckComplete())
			require.NoError(t, (&backing.Funcs{Base: complete}).CheckComplete())
			want := `mutex: backing is "*backing.Funcs", want a complete store: ` + op.name + "Func and Base of the Funcs are nil: set one of them"
			for _, store := range []backing.Backing{incomplete, &backing.Funcs{Base: incomplete}} {
				_, err := mutex.New(store, "job", mutex.Config{})
				bad, ok := errors.AsType[*mutex.ConfigError](err)
				require.True(t, ok, "%v", err)
				assert.Equal(t, "backing", bad.Field)
				assert.EqualError(t, bad, want)
			}
		})
	}
}

func TestABaseThatIsANilPointerIsNoBase(t *testing.T) {
	t.Parallel()
	for _, base := range []backing.Backing{nil, (*memory.Backing)(nil), (*backing.Funcs)(nil)} {
		_, err := mutex.New(&backing.Funcs{Base: base}, "job", mutex.Config{})
		require.ErrorContains(t, err, "TryAcquireFunc")
		f := answering(nil)
		f.Base = base
		require.NoError(t, f.CheckComplete())
	}
}

// A decorator that changes one operation.
func ExampleFuncs() {
	store := memory.New()
	counted := 0
	m, err := mutex.New(&backing.Funcs{
		Base: store,
		ReleaseFunc: func(ctx context.Context, key, holder string) (bool, error) {
			counted++
			return store.Release(ctx, key, holder)
		},
	}, "nightly-report", mutex.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = mutex.WithLock(m, effect.Succeed("done"))(context.Background())
	fmt.Println(counted, err)
	// Output: 1 <nil>
}
