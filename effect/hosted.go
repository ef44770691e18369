package effect

import "context"

// Host carries on the effects of fibers that have no goroutine of their own.
type Host interface {
	// Stop has the fiber end soon, by a call of [Hosted.End] or [Hosted.Stopped]:
	// Stop itself need not wait for that. It may be called more than once, also
	// when the fiber has ended, and by several goroutines.
	Stop()
}

// Hosted is a fiber without a goroutine: its host does the work, and says how
// it ended. One timer can so serve thousands of fibers, of which each would
// need a stack of its own. The zero Hosted is ready to be started.
type Hosted[A any] struct{ fiber Fiber[A] }

// Start registers the fiber in the scope. When the scope closes, or when the
// fiber is interrupted, the host is stopped, and the fiber waited for. Start
// fails with [ErrScopeClosed], and then the fiber must not be used.
func (h *Hosted[A]) Start(s *Scope, host Host) error {
	h.fiber.host = host
	return s.adopt(&h.fiber.ending, &h.fiber)
}

// Fiber is the handle of the fiber.
func (h *Hosted[A]) Fiber() *Fiber[A] { return &h.fiber }

// End ends the fiber with a value or a failure. It must be called once, by the host.
func (h *Hosted[A]) End(a A, err error) {
	kind := success
	if err != nil {
		kind = failure
	}
	h.ended(Exit[A]{kind: kind, value: a, err: err})
}

// Stopped is End for a fiber that has done nothing more since it was interrupted.
func (h *Hosted[A]) Stopped() { h.ended(Exit[A]{kind: interruption, err: context.Canceled}) }

func (h *Hosted[A]) ended(exit Exit[A]) {
	h.fiber.exit = exit
	h.fiber.done.open()
	h.fiber.ending.scope.remove(&h.fiber.ending)
}
