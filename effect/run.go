package effect

import "context"

// Run runs eff in the calling goroutine, and waits for the fibers that it
// forked. A panic of eff goes on to the caller, after them.
func Run[A any](ctx context.Context, eff Effect[A]) (A, error) {
	return runIn(newScope(ctx), eff)
}

// RunExit is [Run], with the outcome as an [Exit]: it returns a panic of eff as
// a defect. runtime.Goexit cannot be held up, and ends the calling goroutine.
func RunExit[A any](ctx context.Context, eff Effect[A]) Exit[A] {
	return runExitIn(newScope(ctx), eff)
}

func runExitIn[A any](ctx *scopeContext, eff Effect[A]) (exit Exit[A]) {
	defer func() {
		if r := recover(); r != nil {
			exit = exitDefect[A](newDefect(r))
		}
	}()
	a, err := runIn(ctx, eff)
	return exitOf(ctx, a, err)
}
