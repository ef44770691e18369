package effect

import "context"

// Run runs eff in the calling goroutine, and waits for the fibers that it
// forked. A panic of eff goes on to the caller, after them.
func Run[A any](ctx context.Context, eff Effect[A]) (A, error) {
	return runIn(newScope(ctx), eff)
}

// RunExit is [Run], with the outcome as an [Exit]: it returns a panic of eff as
// a defect. runtime.Goexit cannot be stopped, and ends the calling goroutine.
func RunExit[A any](ctx context.Context, eff Effect[A]) (exit Exit[A]) {
	runExitIn(newScope(ctx), eff, &exit)
	return exit
}

// runExitIn runs eff, closes the scope, and sets exit. It does so for runtime.Goexit too,
// and then does not return.
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
