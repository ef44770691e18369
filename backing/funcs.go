package backing

import (
	"context"
	"fmt"
	"reflect"

	"github.com/IBM/fp-go/v2/option"
)

// Funcs is a [Backing] made of functions: a decorator that changes one operation, a test
// double, or a store in a few lines. A *Funcs is the Backing:
//
//	&backing.Funcs{Base: store, RefreshFunc: countedRefresh}
//
// Each function is held to the contract of the operation that it is named after. Set the
// fields before the first use and do not change them afterwards.
//
// A Funcs has no abilities, whatever Base can do: only the five operations are called. A
// decorator that passes abilities on needs a type of its own: see [AbilitiesOf].
type Funcs struct {
	// Base does the operations whose function is nil. It may be nil if all functions are
	// set.
	Base Backing

	TryAcquireFunc func(ctx context.Context, c Claim) (option.Option[Grant], error)
	RefreshFunc    func(ctx context.Context, c Claim) (bool, error)
	ReleaseFunc    func(ctx context.Context, key, holder string) (bool, error)
	IsLockedFunc   func(ctx context.Context, key string) (bool, error)
	GetHolderFunc  func(ctx context.Context, key string) (option.Option[string], error)
}

// CheckComplete fails if an operation has neither a function nor a Base: calling that operation would
// panic. mutex.New calls CheckComplete, and fails with a *mutex.ConfigError that names the function.
func (f *Funcs) CheckComplete() error {
	if v := reflect.ValueOf(f.Base); f.Base == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		for _, field := range []struct {
			name    string
			missing bool
		}{
			{"TryAcquireFunc", f.TryAcquireFunc == nil},
			{"RefreshFunc", f.RefreshFunc == nil},
			{"ReleaseFunc", f.ReleaseFunc == nil},
			{"IsLockedFunc", f.IsLockedFunc == nil},
			{"GetHolderFunc", f.GetHolderFunc == nil},
		} {
			if field.missing {
				return fmt.Errorf("%s and Base of the Funcs are nil: set one of them", field.name)
			}
		}
		return nil
	}
	if base, ok := f.Base.(interface{ CheckComplete() error }); ok {
		return base.CheckComplete()
	}
	return nil
}

// TryAcquire implements [Backing].
func (f *Funcs) TryAcquire(ctx context.Context, c Claim) (option.Option[Grant], error) {
	if f.TryAcquireFunc != nil {
		return f.TryAcquireFunc(ctx, c)
	}
	return f.Base.TryAcquire(ctx, c)
}

// Refresh implements [Backing].
func (f *Funcs) Refresh(ctx context.Context, c Claim) (bool, error) {
	if f.RefreshFunc != nil {
		return f.RefreshFunc(ctx, c)
	}
	return f.Base.Refresh(ctx, c)
}

// Release implements [Backing].
func (f *Funcs) Release(ctx context.Context, key, holder string) (bool, error) {
	if f.ReleaseFunc != nil {
		return f.ReleaseFunc(ctx, key, holder)
	}
	return f.Base.Release(ctx, key, holder)
}

// IsLocked implements [Backing].
func (f *Funcs) IsLocked(ctx context.Context, key string) (bool, error) {
	if f.IsLockedFunc != nil {
		return f.IsLockedFunc(ctx, key)
	}
	return f.Base.IsLocked(ctx, key)
}

// GetHolder implements [Backing].
func (f *Funcs) GetHolder(ctx context.Context, key string) (option.Option[string], error) {
	if f.GetHolderFunc != nil {
		return f.GetHolderFunc(ctx, key)
	}
	return f.Base.GetHolder(ctx, key)
}
