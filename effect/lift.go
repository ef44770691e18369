package effect

import "context"

// Action is the effect of a plain function.
func Action(f func(context.Context) error) Effect[Void] {
	return func(ctx context.Context) (none Void, err error) { return none, f(ctx) }
}
