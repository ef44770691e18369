package effect_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/schedule"
)

// One policy serves effects of any type. Each try may take a second, and there are at most
// four tries.
func ExampleWith() {
	attempts := 0
	price := func(context.Context) (int, error) {
		if attempts++; attempts < 3 {
			return 0, errors.New("connection refused")
		}
		return 42, nil
	}
	name := func(context.Context) (string, error) { return "tea", nil }
	policy := []effect.Aspect{
		effect.Within(time.Second),
		effect.Retrying(schedule.Exponential(time.Millisecond).Intersect(schedule.Recurs(3))),
	}

	fmt.Println(effect.With(name, policy...)(context.Background()))
	fmt.Println(effect.With(price, policy...)(context.Background()))
	// Output:
	// tea <nil>
	// 42 <nil>
}

// To write your own aspect, write a function from an effect to an effect.
func ExampleAspect() {
	logged := func(name string) effect.Aspect {
		return func(e effect.Effect[effect.Void]) effect.Effect[effect.Void] {
			return func(ctx context.Context) (effect.Void, error) {
				none, err := e(ctx)
				fmt.Println(name, "ended:", err)
				return none, err
			}
		}
	}

	charge := func(context.Context) (string, error) { return "receipt 7", nil }
	fmt.Println(effect.With(charge, logged("charge"))(context.Background()))
	// Output:
	// charge ended: <nil>
	// receipt 7 <nil>
}

func ExampleRetrying() {
	attempts := 0
	flaky := func(context.Context) (string, error) {
		if attempts++; attempts < 3 {
			return "", errors.New("connection refused")
		}
		return fmt.Sprint("done at attempt ", attempts), nil
	}

	fmt.Println(effect.With(flaky, effect.Retrying(schedule.Recurs(5)))(context.Background()))
	// Output: done at attempt 3 <nil>
}

func ExampleWithin() {
	slow := func(ctx context.Context) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	}

	_, err := effect.With(slow, effect.Within(time.Millisecond))(context.Background())
	fmt.Println(err)
	// Output: timed out after 1ms
}

// An operator that recovers from a failure needs the type of the value, so apply it outside
// With.
func ExampleNoValueError() {
	down := effect.Fail[int](errors.New("connection refused"))

	recovering := effect.OrElse(effect.Succeed(effect.Void{}))
	_, err := effect.With(down, recovering)(context.Background())
	fmt.Println(errors.As(err, new(*effect.NoValueError)))

	fmt.Println(effect.OrElse(effect.Succeed(0))(effect.With(down, effect.Retrying(schedule.Recurs(1))))(context.Background()))
	// Output:
	// true
	// 0 <nil>
}

// The job runs on a schedule, and waits before its first run.
func ExampleScheduled() {
	job := effect.Action(func(context.Context) error {
		fmt.Println("tidy up")
		return nil
	})

	twice := schedule.Fixed(time.Millisecond).Intersect(schedule.Recurs(2))
	_, err := effect.Scheduled(twice)(job)(context.Background())
	fmt.Println(err)
	// Output:
	// tidy up
	// tidy up
	// <nil>
}

func ExampleForever() {
	queue := strings.NewReader("ab")
	handle := effect.Try(func() (byte, error) {
		b, err := queue.ReadByte()
		if err == nil {
			fmt.Printf("handled %c\n", b)
		}
		return b, err
	})

	_, err := effect.Forever(handle)(context.Background())
	fmt.Println(errors.Is(err, io.EOF))
	// Output:
	// handled a
	// handled b
	// true
}
