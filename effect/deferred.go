package effect

import (
	"context"

	"github.com/effectlock/effectlock/internal/deferred"
)

// StartDeferred makes the zero fiber f a fiber without a goroutine: its owner does the work,
// and calls [EndDeferred]. When the scope closes or the fiber is interrupted, the owner is
// asked to stop, and the fiber is waited for. StartDeferred fails with [ErrScopeClosed]. Only
// this module can call it: the type of owner is internal.
func StartDeferred(f *Fiber[Never], s *Scope, owner deferred.Owner) error {
	f.owner = owner
	return s.adopt(&f.ending, f)
}

// EndDeferred ends a fiber that [StartDeferred] has started, and does nothing to any other.
// Only the first call counts.
func EndDeferred(f *Fiber[Never], end deferred.End) {
	if f.ending.scope == nil || !f.ended.CompareAndSwap(false, true) {
		return
	}
	f.exit = Exit[Never]{kind: failure, err: end.Err}
	if end.Err == nil {
		f.exit = Exit[Never]{kind: interruption, err: context.Canceled}
	}
	f.done.open()
	f.ending.scope.remove(&f.ending)
}
