package effect_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/effect"
)

func ExampleExit() {
	ctx := context.Background()
	bug := func(context.Context) (int, error) { panic("a bug") }

	success := effect.RunExit(ctx, effect.Succeed(42))
	failure := effect.RunExit(ctx, effect.Fail[int](errors.New("disk full")))
	defect := effect.RunExit(ctx, bug)
	fmt.Println(success, success.IsSuccess())
	fmt.Println(failure, failure.IsFailure())
	fmt.Println(defect, defect.IsDefect())
	// Output:
	// Success(42) true
	// Failure(disk full) true
	// Defect(panic: a bug) true
}

func ExampleDefect() {
	closing := effect.Ensuring[int](effect.Fail[effect.Void](errors.New("broken pipe")))
	exit := effect.RunExit(context.Background(), closing(func(context.Context) (int, error) { panic("a bug") }))

	if defect, ok := errors.AsType[*effect.Defect](exit.Err()); ok {
		fmt.Println(defect.Value)
		fmt.Println(defect.Finalizers)
	}
	// Output:
	// a bug
	// broken pipe
}

func ExampleFiber_Await() {
	ctx := context.Background()
	fiber, _ := effect.Fork(effect.Fail[int](errors.New("disk full")))(ctx)

	exit, err := fiber.Await()(ctx) // err is nil although the fiber failed
	fmt.Println(exit, err)
	// Output: Failure(disk full) <nil>
}

func ExampleFiber_Poll() {
	ctx := context.Background()
	fiber, _ := effect.Fork(effect.Sleep(time.Hour))(ctx)
	fmt.Println(option.IsNone(fiber.Poll())) // it still runs

	_, _ = fiber.Interrupt()(ctx)
	fmt.Println(option.IsNone(fiber.Poll()))
	// Output:
	// true
	// false
}

func ExampleAbsurd() {
	watch := effect.Forever(effect.Fail[effect.Void](errors.New("the connection is lost"))) // an Effect[Never]
	work := effect.As[effect.Void]("done")(effect.Sleep(time.Hour))

	_, err := effect.RaceFirst(work, effect.Absurd[string](watch))(context.Background())
	fmt.Println(err)
	// Output: the connection is lost
}

func ExampleNever() {
	// The program ends with the error of such an effect, and with nothing else.
	reason := func(watch effect.Effect[effect.Never]) error {
		_, err := watch(context.Background())
		return err
	}

	fmt.Println(reason(effect.Forever(effect.Fail[int](errors.New("no answer")))))
	// Output: no answer
}

// A fiber that calls runtime.Goexit, as the FailNow method of a test does, ends with a defect.
func Example_goexit() {
	ctx := context.Background()
	fiber, _ := effect.Fork(func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })(ctx)

	exit, _ := fiber.Await()(ctx)
	fmt.Println(errors.Is(exit.Err(), effect.ErrGoexit))
	// Output: true
}

// A scope that has closed acquires nothing more.
func Example_closedScope() {
	var kept *effect.Scope
	_, _ = effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
		kept = s // do not do this
		return effect.Succeed(effect.Void{})
	})(context.Background())

	_, err := effect.ForkIn[int](kept)(effect.Succeed(1))(context.Background())
	fmt.Println(errors.Is(err, effect.ErrScopeClosed))
	// Output: true
}
