package mutex

import (
	"context"
	"errors"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/failures"
)

// result returns the error of work that ended with err. lost is nil if the lock was
// held throughout. held is the work's context, caller the one around the lock.
func result(caller, held context.Context, err error, lost *LockLostError) error {
	switch {
	case lost == nil:
		return err
	case err == nil:
		return lost
	case caller.Err() == nil && errors.Is(err, context.Canceled):
		// We cancelled the work. To a caller that did not cancel it, context.Canceled
		// would look like an orderly end. Whatever else failed, such as a finalizer, is
		// a failure of its own.
		var all []error
		for _, failure := range effect.Failures(err) {
			if errors.Is(failure, context.Canceled) {
				failure = cancelledFor(held, failure, lost)
			}
			if !failures.Is(errors.Join(all...), failure) {
				all = append(all, failure)
			}
		}
		if len(all) == 1 {
			return all[0]
		}
		return errors.Join(all...)
	case errors.Is(err, lost):
		return err
	}
	return errors.Join(err, lost)
}

func cancelledFor(held context.Context, failure error, lost *LockLostError) error {
	if said := failure.Error(); said == context.Canceled.Error() || held.Err() != nil && said == effect.Interrupted(held, nil).Error() {
		return lost // the work reported no more than that
	}
	return &cancelledByLoss{lost, failure}
}

// cancelledByLoss is a loss that mentions the error of the work that was cancelled
// because of it.
type cancelledByLoss struct {
	*LockLostError
	work error
}

func (e *cancelledByLoss) Error() string {
	return e.text() + "; the work was cancelled and returned: " + e.work.Error() + lossAdvice
}

// Unwrap returns the loss; Is and As find what else the work failed with.
func (e *cancelledByLoss) Unwrap() error { return e.LockLostError }

func (e *cancelledByLoss) Is(target error) bool {
	return target != context.Canceled && errors.Is(e.work, target)
}

func (e *cancelledByLoss) As(target any) bool { return errors.As(e.work, target) }
