package effect_test

import (
	"context"
	"errors"
	"fmt"

	F "github.com/IBM/fp-go/v2/function"

	"github.com/effectlock/effectlock/effect"
)

func ExampleUse() {
	size := effect.Use(func(name string) effect.Effect[int] {
		return effect.Succeed(len(name))
	})(opened("a.txt"))

	fmt.Println(size(context.Background()))
	// Output:
	// open a.txt
	// close a.txt
	// 5 <nil>
}

func ExampleThen() {
	reading := F.Pipe2(
		opened("dir"),
		effect.Then(func(dir string) effect.Resource[string] { return opened(dir + "/a.txt") }),
		effect.Use(func(file string) effect.Effect[effect.Void] { return printing("read " + file) }),
	)

	_, _ = reading(context.Background())
	// Output:
	// open dir
	// open dir/a.txt
	// read dir/a.txt
	// close dir/a.txt
	// close dir
}

func ExampleBoth() {
	type files struct{ from, to string }
	copying := F.Pipe2(
		opened("a.txt"),
		effect.Both(opened("b.txt"), func(from, to string) files { return files{from, to} }),
		effect.Use(func(f files) effect.Effect[effect.Void] { return printing("copy " + f.from + " to " + f.to) }),
	)

	_, _ = copying(context.Background())
	// Output:
	// open a.txt
	// open b.txt
	// copy a.txt to b.txt
	// close b.txt
	// close a.txt
}

// If the second resource cannot be acquired, the first one is released, and the body of Use
// does not run.
func ExampleBoth_failure() {
	locked := func(*effect.Scope) effect.Effect[string] { return effect.Fail[string](errors.New("b.txt is locked")) }
	copying := F.Pipe2(
		opened("a.txt"),
		effect.Both(locked, func(from, to string) string { return from + " to " + to }),
		effect.Use(printing),
	)

	_, err := copying(context.Background())
	fmt.Println(err)
	// Output:
	// open a.txt
	// close a.txt
	// b.txt is locked
}
