package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	F "github.com/IBM/fp-go/v2/function"
	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// example is a lock for examples, whose configuration is never wrong.
func example(c mutex.Config) *mutex.Mutex {
	m, err := mutex.New(memory.New(), "report", c)
	if err != nil {
		panic(err)
	}
	return m
}

func ExampleWithLock() {
	report := func(context.Context) (string, error) { return "written", nil }

	result, err := mutex.WithLock(example(mutex.Config{}), report)(context.Background())
	fmt.Println(result, err)
	// Output: written <nil>
}

func ExampleLocked() {
	m := example(mutex.Config{})
	report := F.Pipe2(
		effect.Succeed(20),
		effect.Map(func(orders int) string { return fmt.Sprint(orders, " orders") }),
		mutex.Locked[string](m),
	)
	fmt.Println(report(context.Background()))
	// Output: 20 orders <nil>
}

func ExampleWithLockIfAvailable() {
	m := example(mutex.Config{})
	second := mutex.WithLockIfAvailable(m, effect.Succeed("second"))
	first := mutex.WithLockIfAvailable(m, func(ctx context.Context) (string, error) {
		skipped, err := second(ctx) // while the first has the lock
		fmt.Println(option.IsNone(skipped))
		return "first", err
	})
	fmt.Println(first(context.Background()))
	// Output:
	// true
	// Some[string](first) <nil>
}

func ExampleLockedIfAvailable() {
	cleanUp := F.Pipe1(effect.Succeed("clean"), mutex.LockedIfAvailable[string](example(mutex.Config{})))
	fmt.Println(cleanUp(context.Background()))
	// Output: Some[string](clean) <nil>
}

func ExampleMutex_Acquire() {
	m := example(mutex.Config{})
	program := effect.Scoped(func(s *effect.Scope) effect.Effect[string] {
		return func(ctx context.Context) (string, error) {
			lock, err := m.Acquire(s)(ctx)
			if err != nil {
				return "", err
			}
			// The work ends when the keep-alive does, that is if the lock is lost.
			return effect.RaceFirst(effect.Succeed("done"), effect.Absurd[string](lock.Join()))(ctx)
		}
	})
	fmt.Println(program(context.Background()))
	fmt.Println(m.IsLocked(context.Background()))
	// Output:
	// done <nil>
	// false <nil>
}

func ExampleMutex_TryAcquire() {
	m := example(mutex.Config{})
	program := effect.Scoped(func(s *effect.Scope) effect.Effect[bool] {
		return func(ctx context.Context) (bool, error) {
			if _, err := m.Acquire(s)(ctx); err != nil {
				return false, err
			}
			again, err := m.TryAcquire(s)(ctx) // a mutex is not reentrant
			return option.IsSome(again), err
		}
	})
	fmt.Println(program(context.Background()))
	// Output: false <nil>
}

func ExampleFromContext() {
	m := example(mutex.Config{})
	token := func(ctx context.Context) (uint64, error) {
		lock, _ := mutex.FromContext(ctx)
		return lock.Token(), nil // to be sent with each write
	}
	first, _ := mutex.WithLock(m, token)(context.Background())
	second, _ := mutex.WithLock(m, token)(context.Background())
	fmt.Println(first < second)
	// Output: true
}

func ExampleNew() {
	_, err := mutex.New(memory.New(), "report", mutex.Config{TTL: 5 * time.Second, RefreshInterval: 7 * time.Second})
	fmt.Println(err)

	var bad *mutex.ConfigError
	fmt.Println(errors.As(err, &bad), bad.Field)
	// Output:
	// mutex: RefreshInterval is 7s, want a positive duration shorter than 4.949s, which is the TTL of 5s less a margin, or 0 for a third of the TTL
	// true RefreshInterval
}

func ExampleMake() {
	withMutex := mutex.Make("report", mutex.Config{})
	write := effect.Retry[string](schedule.Exponential(100 * time.Millisecond).UpTo(time.Minute))(effect.Succeed("written"))
	program := F.Pipe1(
		withMutex(memory.New()),
		effect.FlatMap(func(m *mutex.Mutex) effect.Effect[string] { return mutex.WithLock(m, write) }),
	)
	fmt.Println(program(context.Background()))
	// Output: written <nil>
}

func ExampleLockNotAcquiredError() {
	store := memory.New()
	_, _ = store.TryAcquire(context.Background(), backing.Claim{Key: "report", Holder: "another", TTL: time.Minute})
	m, _ := mutex.New(store, "report", mutex.Config{AcquireRetryPolicy: schedule.Stop()})
	busy := mutex.WithLock(m, effect.Succeed("written"))
	program := effect.CatchTag(func(e *mutex.LockNotAcquiredError) effect.Effect[string] {
		return effect.Succeed("somebody is at the " + e.Key)
	})(busy)
	fmt.Println(program(context.Background()))
	// Output: somebody is at the report <nil>
}

func ExampleLogObserver() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { // what differs from run to run
			if a.Key == slog.TimeKey || a.Key == "token" || a.Key == "elapsed" {
				return slog.Attr{}
			}
			return a
		},
	}))
	m := example(mutex.Config{Observer: mutex.LogObserver(log)})
	_, _ = mutex.WithLock(m, effect.Succeed("written"))(context.Background())
	// Output:
	// level=DEBUG msg="lock acquired" key=report
	// level=DEBUG msg="lock released" key=report
}

func ExampleMutex_Holder() {
	m := example(mutex.Config{HolderID: "report-7"})
	fmt.Println(m.Holder(context.Background()))
	_, _ = mutex.WithLock(m, func(ctx context.Context) (int, error) {
		fmt.Println(m.Holder(ctx))
		return 0, nil
	})(context.Background())
	// Output:
	// None[string] <nil>
	// Some[string](report-7) <nil>
}
