package backingtest

import (
	"context"

	"github.com/effectlock/effectlock/backing"
)

// Clients that take a missing answer for a no, each in one operation and for one reason.
var brokenByHushing = func() (all []brokenByFault) {
	hushing := func(operation, reason string, hides error) {
		all = append(all, brokenByFault{operation + " hides that " + reason, []rule{noAnswer}, before(func(w *wire, _ *Faults) backing.Backing {
			w.hushed, w.hides = operation, hides
			return w
		})})
	}
	for _, operation := range []string{"TryAcquire", "Refresh", "Release", "ReleaseClaim", "Pass", "RefreshAll"} {
		hushing(operation, "an answer was lost", errConnection)
	}
	for _, operation := range []string{"TryAcquire", "Refresh", "Release", "IsLocked", "GetHolder", "ReleaseClaim", "Enqueue", "Pass", "RefreshAll"} {
		hushing(operation, "a context has ended", context.Canceled)
	}
	return all
}()
