package effect

import (
	"context"

	"github.com/effectlock/effectlock/internal/deferred"
)

// StartDeferred makes f, which is new, a fiber without a goroutine: its owner does the work,
// and calls [EndDeferred]. When the scope closes, or the fiber is interrupted, the owner is
// stopped, and the fiber waited for. StartDeferred fails with [ErrScopeClosed]. Only this
// module can call it.
func StartDeferred(f *Fiber[Never], s *Scope, owner deferred.Owner) error {
	f.owner = owner
	return s.adopt(&f.ending, f)
}

// EndDeferred ends a fiber, if [StartDeferred] started it. Of several calls the first counts.
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
