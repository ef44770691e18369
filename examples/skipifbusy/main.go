// Skipifbusy is a cron job that skips its turn while an earlier run is still going.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

func main() {
	if _, err := effect.Run(context.Background(), night); err != nil {
		fmt.Fprintln(os.Stderr, "skipifbusy:", err)
		os.Exit(1)
	}
}

// turn runs the import unless somebody else is running it. A taken lock is not an error
// here: the work does not run, and WithLockIfAvailable returns None at once.
func turn(lock *mutex.Mutex, time string, orders effect.Effect[int]) effect.Effect[effect.Void] {
	report := option.Fold(
		func() string { return "skipped: an earlier run is still going" },
		func(imported int) string { return fmt.Sprintf("imported %d orders", imported) },
	)
	return func(ctx context.Context) (done effect.Void, err error) {
		imported, err := mutex.WithLockIfAvailable(lock, orders)(ctx)
		if err == nil {
			fmt.Println(time, report(imported))
		}
		return done, err
	}
}

func night(ctx context.Context) (done effect.Void, err error) {
	lock, err := mutex.New(memory.New(), "import-orders", mutex.Config{})
	if err != nil {
		return done, err
	}
	// The 02:00 run takes so long that it is still going at 02:05.
	slow := func(ctx context.Context) (int, error) {
		fmt.Println("02:00 begins")
		_, err := turn(lock, "02:05", effect.Succeed(9))(ctx)
		return 140, err
	}
	if _, err := turn(lock, "02:00", slow)(ctx); err != nil {
		return done, err
	}
	return turn(lock, "02:10", effect.Succeed(9))(ctx)
}
