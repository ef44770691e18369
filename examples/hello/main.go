// Hello is the smallest program with a lock.
package main

import (
	"context"
	"fmt"

	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/mutex"
)

func main() {
	lock, err := mutex.New(memory.New(), "nightly-report", mutex.Config{})
	if err != nil {
		fmt.Println(err) // it names the bad argument
		return
	}
	report := func(ctx context.Context) (string, error) {
		return "20 orders", nil // ctx ends if the lock is lost
	}
	fmt.Println(mutex.WithLock(lock, report)(context.Background()))
}
