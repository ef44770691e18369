package effect_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/schedule"
)

func ExampleAction() {
	attempts := 0
	ping := func(context.Context) error {
		if attempts++; attempts < 3 {
			return errors.New("connection refused")
		}
		return nil
	}

	_, err := effect.Retrying(schedule.Recurs(5))(effect.Action(ping))(context.Background())
	fmt.Println("after", attempts, "attempts:", err)
	// Output: after 3 attempts: <nil>
}

func ExampleSync() {
	next := 0
	number := effect.Sync(func() int { next++; return next })

	fmt.Println(effect.All(1, number, number, number)(context.Background()))
	// Output: [1 2 3] <nil>
}

func ExampleTry() {
	parsed := effect.Try(func() (int, error) { return strconv.Atoi("42") })

	fmt.Println(parsed(context.Background()))
	// Output: 42 <nil>
}

func ExampleClose() {
	open := effect.Try(func() (*os.File, error) { return os.Open("lift.go") })
	firstLine := func(f *os.File) effect.Effect[string] {
		return effect.Try(func() (string, error) {
			var line string
			_, err := fmt.Fscanln(f, new(string), &line)
			return line, err
		})
	}

	fmt.Println(effect.AcquireUseRelease(open, firstLine, effect.Close)(context.Background()))
	// Output: effect <nil>
}

func ExampleExit_String() {
	fmt.Println(effect.RunExit(context.Background(), effect.Succeed(42)))
	fmt.Println(effect.RunExit(context.Background(), effect.Fail[int](errors.New("disk full"))))
	fmt.Println(effect.RunExit(context.Background(), effect.Sync(func() int { panic("a bug") })))
	// Output:
	// Success(42)
	// Failure(disk full)
	// Defect(panic: a bug)
}
