// Custombacking keeps its locks in a custom store; see records.go.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

func main() {
	lock, err := mutex.New(&Records{}, "nightly-job", mutex.Config{})
	if err == nil {
		_, err = effect.Run(context.Background(), mutex.WithLock(lock, work(lock)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "custombacking:", err)
		os.Exit(1)
	}
}

// work asks the store which holder has the lock.
func work(lock *mutex.Mutex) effect.Effect[effect.Void] {
	return func(ctx context.Context) (done effect.Void, err error) {
		holder, err := lock.Holder(ctx)
		mine, _ := mutex.FromContext(ctx)
		fmt.Println("the store says that I have the lock:", holder == option.Some(mine.HolderID()))
		return done, err
	}
}
