package effect_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	F "github.com/IBM/fp-go/v2/function"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/schedule"
)

// StockError and PaymentError are the errors of a shop.
type StockError struct{ Item string }

func (e *StockError) Error() string { return e.Item + " is out of stock" }
func (*StockError) Tag() string     { return "StockError" }

type PaymentError struct{ Reason string }

func (e *PaymentError) Error() string { return "payment refused: " + e.Reason }
func (*PaymentError) Tag() string     { return "PaymentError" }

// printing is an effect that prints a line.
func printing(line string) effect.Effect[effect.Void] {
	return func(context.Context) (effect.Void, error) {
		fmt.Println(line)
		return effect.Void{}, nil
	}
}

// A pipeline reads from top to bottom. Any function of a context that returns
// a value and an error is an effect already, and the combinators of fp-go apply.
func Example_pipeline() {
	fetch := func(context.Context) (string, error) { return "an answer", nil }

	shout := F.Pipe4(
		fetch,
		effect.Retry[string](schedule.Exponential(10*time.Millisecond).Intersect(schedule.Recurs(3))),
		effect.Timeout[string](time.Second),
		effect.OrElse(effect.Succeed("a default")),
		effect.Map(strings.ToUpper),
	)

	fmt.Println(shout(context.Background()))
	// Output: AN ANSWER <nil>
}

func ExampleFlatMap() {
	user := effect.Succeed("ada")
	mailOf := func(name string) effect.Effect[string] { return effect.Succeed(name + "@example.com") }

	fmt.Println(effect.FlatMap(mailOf)(user)(context.Background()))
	// Output: ada@example.com <nil>
}

func ExampleCatchTag() {
	buy := effect.Fail[string](fmt.Errorf("order 7: %w", &StockError{"tea"}))

	bought := effect.CatchTag(func(e *StockError) effect.Effect[string] {
		return effect.Succeed("something instead of " + e.Item)
	})(buy)

	fmt.Println(bought(context.Background()))
	// Output: something instead of tea <nil>
}

func ExampleCatchTags() {
	handled := effect.CatchTags(
		effect.Case(func(e *StockError) effect.Effect[string] { return effect.Succeed("order more " + e.Item) }),
		effect.Case(func(e *PaymentError) effect.Effect[string] { return effect.Succeed("ask for another card") }),
	)

	for _, failure := range []error{&StockError{"tea"}, &PaymentError{"expired"}, errors.New("disk full")} {
		fmt.Println(handled(effect.Fail[string](failure))(context.Background()))
	}
	// Output:
	// order more tea <nil>
	// ask for another card <nil>
	//  disk full
}

func ExampleMapError() {
	load := effect.MapError[int](func(err error) error { return fmt.Errorf("loading the config: %w", err) })

	_, err := load(effect.Fail[int](errors.New("no such file")))(context.Background())
	fmt.Println(err)
	// Output: loading the config: no such file
}

func ExampleIgnore() {
	flush := effect.Fail[int](errors.New("nothing to flush"))

	_, err := effect.Ignore(flush)(context.Background())
	fmt.Println(err)
	// Output: <nil>
}

func ExampleMatch() {
	describe := effect.Match(
		func(n int) string { return fmt.Sprint("yielded ", n) },
		func(err error) string { return fmt.Sprint("failed: ", err) },
		func(d *effect.Defect) string { return fmt.Sprint("panicked: ", d.Value) },
		func(error) string { return "was interrupted" },
	)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()

	fmt.Println(describe(effect.RunExit(context.Background(), effect.Succeed(1))))
	fmt.Println(describe(effect.RunExit(context.Background(), effect.Fail[int](errors.New("no luck")))))
	fmt.Println(describe(effect.RunExit(context.Background(), func(context.Context) (int, error) { panic("a bug") })))
	fmt.Println(describe(effect.RunExit(cancelled, effect.As[effect.Void](1)(effect.Sleep(time.Hour)))))
	// Output:
	// yielded 1
	// failed: no luck
	// panicked: a bug
	// was interrupted
}

func ExampleRetry() {
	attempts := 0
	flaky := func(context.Context) (string, error) {
		attempts++
		if attempts < 3 {
			return "", errors.New("connection refused")
		}
		return fmt.Sprint("done at attempt ", attempts), nil
	}

	policy := schedule.Exponential(time.Millisecond).CapDelay(100 * time.Millisecond).UpTo(time.Minute)
	fmt.Println(effect.Retry[string](policy)(flaky)(context.Background()))
	// Output: done at attempt 3 <nil>
}

func ExampleRetryWhile() {
	attempts := 0
	broken := func(context.Context) (int, error) {
		attempts++
		return 0, &PaymentError{"card expired"}
	}
	transient := func(err error) bool {
		_, hopeless := errors.AsType[*PaymentError](err)
		return !hopeless
	}

	_, err := effect.RetryWhile[int](schedule.Recurs(10), transient)(broken)(context.Background())
	fmt.Println(err, "after attempt", attempts)
	// Output: payment refused: card expired after attempt 1
}

func ExampleRepeat() {
	_, _ = effect.Repeat[effect.Void](schedule.Spaced(time.Millisecond).Intersect(schedule.Recurs(2)))(printing("tick"))(context.Background())
	// Output:
	// tick
	// tick
	// tick
}

func ExampleTimeout() {
	slow := effect.As[effect.Void]("too late")(effect.Sleep(time.Hour))

	answer := effect.CatchTag(func(e *effect.TimeoutError) effect.Effect[string] {
		return effect.Succeed(e.Error())
	})(effect.Timeout[string](time.Millisecond)(slow))

	fmt.Println(answer(context.Background()))
	// Output: timed out after 1ms <nil>
}
