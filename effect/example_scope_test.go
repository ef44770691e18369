package effect_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/effectlock/effectlock/effect"
)

// opened opens the named file, and closes it with the scope.
func opened(name string) effect.Resource[string] {
	return effect.AcquireRelease(
		effect.As[effect.Void](name)(printing("open "+name)),
		func(name string, _ effect.Exit[any]) effect.Effect[effect.Void] { return printing("close " + name) },
	)
}

func ExampleScoped() {
	copying := effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
		return func(ctx context.Context) (int, error) {
			from, err := opened("a.txt")(s)(ctx)
			if err != nil {
				return 0, err
			}
			to, err := opened("b.txt")(s)(ctx)
			if err != nil {
				return 0, err
			}
			fmt.Println("copy", from, "to", to)
			return 0, errors.New("disk full")
		}
	})

	_, err := copying(context.Background())
	fmt.Println(err)
	// Output:
	// open a.txt
	// open b.txt
	// copy a.txt to b.txt
	// close b.txt
	// close a.txt
	// disk full
}

func ExampleScope_AddFinalizer() {
	transaction := effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
		end := s.AddFinalizer(func(e effect.Exit[any]) effect.Effect[effect.Void] {
			if e.IsSuccess() {
				return printing("commit")
			}
			return printing("roll back")
		})
		return effect.ZipRight[effect.Void](effect.Fail[effect.Void](errors.New("out of stock")))(end)
	})

	_, err := transaction(context.Background())
	fmt.Println(err)
	// Output:
	// roll back
	// out of stock
}

func ExampleAcquireUseRelease() {
	size := effect.AcquireUseRelease(
		effect.Succeed("a.txt"),
		func(name string) effect.Effect[int] { return effect.Succeed(len(name)) },
		func(name string, _ effect.Exit[any]) effect.Effect[effect.Void] { return printing("close " + name) },
	)

	fmt.Println(size(context.Background()))
	// Output:
	// close a.txt
	// 5 <nil>
}

func ExampleOnExit() {
	audited := effect.OnExit(func(e effect.Exit[int]) effect.Effect[effect.Void] {
		n, ok := e.Value()
		return printing(fmt.Sprintf("audit: %d %t %v", n, ok, e.Err()))
	})

	_, _ = audited(effect.Succeed(42))(context.Background())
	_, _ = audited(effect.Fail[int](errors.New("refused")))(context.Background())
	// Output:
	// audit: 42 true <nil>
	// audit: 0 false refused
}

func ExampleEnsuring() {
	_, err := effect.Ensuring[int](printing("clean up"))(effect.Fail[int](errors.New("no luck")))(context.Background())
	fmt.Println(err)
	// Output:
	// clean up
	// no luck
}

func ExampleFork() {
	sum, err := effect.Run(context.Background(), func(ctx context.Context) (int, error) {
		fiber, err := effect.Fork(effect.Succeed(40))(ctx)
		if err != nil {
			return 0, err
		}
		// Whatever happens here, the fiber ends before Run returns.
		n, err := fiber.Join()(ctx)
		return n + 2, err
	})
	fmt.Println(sum, err)
	// Output: 42 <nil>
}

func ExampleForkIn() {
	serving := effect.Scoped(func(s *effect.Scope) effect.Effect[string] {
		heartbeat := effect.OnExit(func(e effect.Exit[effect.Void]) effect.Effect[effect.Void] {
			return printing(fmt.Sprint("heartbeat interrupted: ", e.IsInterruption()))
		})(effect.Sleep(time.Hour))

		return effect.As[*effect.Fiber[effect.Void]]("served")(effect.ForkIn[effect.Void](s)(heartbeat))
	})

	fmt.Println(serving(context.Background()))
	// Output:
	// heartbeat interrupted: true
	// served <nil>
}

func ExampleFiber_Interrupt() {
	ctx := context.Background()
	fiber, _ := effect.Fork(effect.Ensuring[effect.Void](printing("clean up"))(effect.Sleep(time.Hour)))(ctx)

	exit, err := fiber.Interrupt()(ctx)
	fmt.Println(exit.IsInterruption(), err)
	// Output:
	// clean up
	// true <nil>
}

func ExampleRaceFirst() {
	replica := func(name string, latency time.Duration) effect.Effect[string] {
		return effect.As[effect.Void](name)(effect.Sleep(latency))
	}

	fmt.Println(effect.RaceFirst(replica("far", time.Hour), replica("near", time.Millisecond))(context.Background()))
	// Output: near <nil>
}

func ExampleRace() {
	down := effect.Fail[string](errors.New("connection refused"))
	up := effect.As[effect.Void]("answer")(effect.Sleep(time.Millisecond))

	fmt.Println(effect.Race(down, up)(context.Background()))
	// Output: answer <nil>
}

func ExampleForEach() {
	square := func(n int) effect.Effect[int] { return effect.Succeed(n * n) }

	fmt.Println(effect.ForEach(2, square)([]int{1, 2, 3, 4})(context.Background()))
	// Output: [1 4 9 16] <nil>
}

func ExampleAll() {
	fmt.Println(effect.All(0, effect.Succeed("a"), effect.Succeed("b"))(context.Background()))
	// Output: [a b] <nil>
}
