package effect

import "context"

// Run runs eff in the calling goroutine. When eff has ended, Run interrupts the fibers that
// it forked and waits for them. A panic of eff then continues in the caller.
func Run[A any](ctx context.Context, eff Effect[A]) (A, error) {
	return runIn(newScope(ctx), eff)
}

// RunExit is [Run] with the outcome as an [Exit]. It returns a panic of eff as a defect.
// runtime.Goexit cannot be recovered, and ends the calling goroutine.
func RunExit[A any](ctx context.Context, eff Effect[A]) (exit Exit[A]) {
	runExitIn(newScope(ctx), eff, &exit)
	return exit
}

// runExitIn runs eff, closes the scope, and sets exit, even if eff calls runtime.Goexit. In
// that case it does not return.
func runExitIn[A any](c *scopeContext, eff Effect[A], exit *Exit[A]) {
	returned := false
	defer func() {
		if !returned {
			*exit = exitDefect[A](newDefect(recover()))
		}
	}()
	a, err := runIn(c, eff)
	*exit = exitOf(c, a, err)
	returned = true
}
