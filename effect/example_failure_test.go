package effect_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/effectlock/effectlock/effect"
)

func ExampleFailures() {
	err := errors.Join(errors.New("disk full"), fmt.Errorf("closing: %w", errors.New("broken pipe")))

	for _, failure := range effect.Failures(fmt.Errorf("report: %w", err)) {
		fmt.Println(failure)
	}
	// Output:
	// disk full
	// closing: broken pipe
}

func ExampleCatchAll() {
	fallBack := effect.CatchAll(func(err error) effect.Effect[string] {
		return effect.Succeed("a default, because of: " + err.Error())
	})

	fmt.Println(fallBack(effect.Fail[string](errors.New("no answer")))(context.Background()))
	// Output: a default, because of: no answer <nil>
}

func ExampleTap() {
	log := func(prefix string) effect.Kleisli[int, effect.Void] {
		return func(n int) effect.Effect[effect.Void] { return printing(fmt.Sprint(prefix, n)) }
	}

	fmt.Println(effect.Tap(log("received "))(effect.Succeed(7))(context.Background()))
	// Output:
	// received 7
	// 7 <nil>
}

func ExampleTapError() {
	logged := effect.TapError[int](func(err error) effect.Effect[effect.Void] {
		return printing("log: " + err.Error())
	})

	_, err := logged(effect.Fail[int](errors.New("disk full")))(context.Background())
	fmt.Println(err)
	// Output:
	// log: disk full
	// disk full
}

func ExampleInterrupted() {
	// A loop of your own that stops when its context ends, and keeps the last failure.
	poll := func(ctx context.Context) (int, error) {
		failure := errors.New("no answer yet")
		<-ctx.Done()
		return 0, effect.Interrupted(ctx, failure)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()

	_, err := poll(ctx)
	fmt.Println(err)
	fmt.Println(errors.Is(err, context.Canceled))
	// Output:
	// context canceled (before that: no answer yet)
	// true
}

func ExampleTagged() {
	_, err := effect.Timeout[effect.Void](time.Millisecond)(effect.Sleep(time.Hour))(context.Background())

	if tagged, ok := errors.AsType[effect.Tagged](err); ok {
		fmt.Println(tagged.Tag()) // for a log
	}
	// Output: TimeoutError
}

func ExampleHandler() {
	outOfStock := effect.Case(func(e *StockError) effect.Effect[string] { return effect.Succeed("order more " + e.Item) })
	cases := []effect.Handler[string]{outOfStock}

	fmt.Println(effect.CatchTags(cases...)(effect.Fail[string](&StockError{"tea"}))(context.Background()))
	// Output: order more tea <nil>
}

func ExampleOperator() {
	// An operator of your own.
	orInstead := func(text string) effect.Operator[string, string] {
		return effect.OrElse(effect.Succeed(text))
	}

	fmt.Println(orInstead("nothing")(effect.Fail[string](errors.New("no answer")))(context.Background()))
	// Output: nothing <nil>
}

func ExampleParted() {
	parted := effect.Parted[int]{Values: []int{1, 3}, Errors: []error{errors.New("two is no number")}}

	fmt.Println(parted.Values, errors.Join(parted.Errors...))
	// Output: [1 3] two is no number
}

func ExampleFinalizerTimeoutError() {
	// What the effect fails with if its finalizer takes longer than FinalizerTimeout.
	var err error = &effect.FinalizerTimeoutError{Duration: effect.FinalizerTimeout}

	fmt.Println(err)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// a finalizer was cancelled after 5s; move slow work out of the finalizer
	// false
}
