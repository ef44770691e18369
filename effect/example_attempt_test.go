package effect_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	F "github.com/IBM/fp-go/v2/function"
	"github.com/IBM/fp-go/v2/result"

	"github.com/effectlock/effectlock/effect"
)

// parsed is an effect that fails if the text is not a number.
func parsed(text string) effect.Effect[int] {
	return func(context.Context) (int, error) { return strconv.Atoi(text) }
}

func ExampleAttempt() {
	report := F.Flow2(effect.Attempt[int], effect.Map(result.Fold(
		func(err error) string { return "refused: " + err.Error() },
		func(n int) string { return fmt.Sprint("accepted: ", n) },
	)))

	fmt.Println(report(parsed("7"))(context.Background()))
	fmt.Println(report(parsed("seven"))(context.Background()))
	// Output:
	// accepted: 7 <nil>
	// refused: strconv.Atoi: parsing "seven": invalid syntax <nil>
}

func ExampleAbsolve() {
	port := F.Pipe2(
		effect.Succeed("http"),
		effect.Map(result.Eitherize1(strconv.Atoi)), // the value holds the error, and Absolve unwraps it
		effect.Absolve[int],
	)

	_, err := port(context.Background())
	fmt.Println(err)
	// Output: strconv.Atoi: parsing "http": invalid syntax
}

func ExamplePartition() {
	results, err := effect.Partition(2, parsed)([]string{"1", "two", "3"})(context.Background())
	fmt.Println(results.Values, results.Errors, err)
	// Output: [1 3] [strconv.Atoi: parsing "two": invalid syntax] <nil>
}

func ExampleValidate() {
	required := func(field string) effect.Effect[string] {
		if field == "" {
			return effect.Fail[string](errors.New("a field is empty"))
		}
		return effect.Succeed(field)
	}
	validate := effect.Validate(2, required)

	fmt.Println(validate([]string{"Ada", "Lovelace"})(context.Background()))
	_, err := validate([]string{"", "Lovelace", ""})(context.Background())
	fmt.Println(err)
	// Output:
	// [Ada Lovelace] <nil>
	// a field is empty
	// a field is empty
}
