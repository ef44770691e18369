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

// example makes a lock. The configurations in the examples are always valid.
func example(c mutex.Config) *mutex.Mutex {
	m, err := mutex.New(memory.New(), "report", c)
	if err != nil {
		panic(err)
	}
	return m
}

func ExampleMutex_Do() {
	lock := mutex.Must(mutex.New(memory.New(), "report", mutex.Config{}))

	err := lock.Do(context.Background(), func(ctx context.Context) error {
		fmt.Println("one process at a time; ctx ends if the lock is lost")
		return nil
	})
	fmt.Println(err)
	// Output:
	// one process at a time; ctx ends if the lock is lost
	// <nil>
}

func ExampleMutex_TryDo() {
	lock := mutex.Must(mutex.New(memory.New(), "report", mutex.Config{}))
	nothing := func(context.Context) error { return nil }

	ran, err := lock.TryDo(context.Background(), func(ctx context.Context) error {
		again, err := lock.TryDo(ctx, nothing) // while the first one has the lock
		fmt.Println("second:", again, err)
		return nil
	})
	fmt.Println("first:", ran, err)
	// Output:
	// second: false <nil>
	// first: true <nil>
}

func ExampleMust() {
	defer func() { fmt.Println(recover()) }()
	mutex.Must(mutex.New(memory.New(), "report", mutex.Config{TTL: -1}))
	// Output: mutex: TTL is -1ns, want a duration from 1ms to 8760h0m0s, or 0 for 30s
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

func ExampleMutex_Aspect() {
	tries := 0
	report := func(context.Context) (string, error) {
		if tries++; tries < 3 {
			return "", errors.New("no answer")
		}
		return "written", nil
	}
	// Each try may take a minute, and all of them run under one lock. No type argument is needed.
	program := effect.With(report,
		effect.Within(time.Minute),
		effect.Retrying(schedule.Recurs(5)),
		example(mutex.Config{}).Aspect(),
	)
	fmt.Println(program(context.Background()))
	// Output: written <nil>
}

func ExampleWithLockIfAvailable() {
	m := example(mutex.Config{})
	second := mutex.WithLockIfAvailable(m, effect.Succeed("second"))
	first := mutex.WithLockIfAvailable(m, func(ctx context.Context) (string, error) {
		skipped, err := second(ctx) // while the first one has the lock
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
			// The keep-alive ends only if the lock is lost, and the work then ends too.
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
	var tokens []uint64
	for range 2 {
		_ = m.Do(context.Background(), func(ctx context.Context) error {
			lock, _ := mutex.FromContext(ctx)
			tokens = append(tokens, lock.Token()) // to be sent with each write
			return nil
		})
	}
	fmt.Println(tokens[0] < tokens[1])
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
		return effect.Succeed("somebody else has the lock on the " + e.Key)
	})(busy)
	fmt.Println(program(context.Background()))
	// Output: somebody else has the lock on the report <nil>
}

func ExampleLogObserver() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { // remove what differs from run to run
			if a.Key == slog.TimeKey || a.Key == "token" || a.Key == "elapsed" {
				return slog.Attr{}
			}
			return a
		},
	}))
	m := example(mutex.Config{Observer: mutex.LogObserver(log)})
	_ = m.Do(context.Background(), func(context.Context) error { return nil })
	// Output:
	// level=DEBUG msg="lock acquired" key=report
	// level=DEBUG msg="lock released" key=report
}

func ExampleMutex_Holder() {
	m := example(mutex.Config{HolderID: "report-7"})
	fmt.Println(m.Holder(context.Background()))
	_ = m.Do(context.Background(), func(ctx context.Context) error {
		fmt.Println(m.Holder(ctx))
		return nil
	})
	// Output:
	// None[string] <nil>
	// Some[string](report-7) <nil>
}

func ExampleFold() {
	exitCode := mutex.Fold(
		func(*mutex.LockLostError) int { return 3 },
		func(*mutex.LockNotAcquiredError) int { return 75 }, // EX_TEMPFAIL: try again later
		func(*mutex.MutexBackingError) int { return 69 },    // EX_UNAVAILABLE
		func(error) int { return 1 },
	)
	fmt.Println(exitCode(&mutex.LockNotAcquiredError{Key: "report"}), exitCode(errors.New("disk full")))
	// Output: 75 1
}

func ExampleCatchErrors() {
	recovered := mutex.CatchErrors(
		func(*mutex.LockLostError) effect.Effect[string] { return effect.Succeed("check the report") },
		func(*mutex.LockNotAcquiredError) effect.Effect[string] { return effect.Succeed("later") },
		func(*mutex.MutexBackingError) effect.Effect[string] { return effect.Succeed("without Redis") },
	)
	fmt.Println(recovered(effect.Fail[string](&mutex.LockNotAcquiredError{Key: "report"}))(context.Background()))
	fmt.Println(recovered(effect.Fail[string](errors.New("disk full")))(context.Background()))
	// Output:
	// later <nil>
	//  disk full
}

func ExampleKindOf() {
	lock := example(mutex.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	switch err := lock.Do(ctx, func(context.Context) error { return nil }); mutex.KindOf(err) {
	case mutex.KindNone:
		fmt.Println("done")
	case mutex.KindNotAcquired, mutex.KindCanceled:
		fmt.Println("it did not run, or was cancelled")
	case mutex.KindLost:
		fmt.Println("another holder may have worked at the same time")
	case mutex.KindStore, mutex.KindOther:
		fmt.Println("it failed:", err)
	}
	// Output: it did not run, or was cancelled
}

func ExampleObserve() {
	events := map[mutex.EventKind]int{}
	lock := example(mutex.Config{Observer: mutex.Observe(func(e mutex.Event) { events[e.Kind]++ })})
	_ = lock.Do(context.Background(), func(context.Context) error { return nil })
	fmt.Println(events)
	// Output: map[acquired:1 released:1]
}
