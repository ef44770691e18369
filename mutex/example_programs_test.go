package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	F "github.com/IBM/fp-go/v2/function"
	RR "github.com/IBM/fp-go/v2/idiomatic/context/readerresult"
	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// These are the programs that people coming from functional languages write first. They have
// no type arguments, except where a value does not show its type, as in effect.Fail.

// order is the subject of several programs.
type order struct {
	id    string
	total int
}

func find(id string) effect.Effect[order] { return effect.Succeed(order{id, 20}) }

func printTotal(o order) effect.Effect[effect.Void] {
	return effect.Sync(func() effect.Void { fmt.Println(o.id, "costs", o.total); return effect.Void{} })
}

// A pipeline reads from top to bottom, and runs under one lock.
func Example_pipeline() {
	lock := mutex.Must(mutex.New(memory.New(), "orders", mutex.Config{}))
	program := F.Pipe3(
		find("o-1"),
		effect.Map(func(o order) order { o.total += 5; return o }), // postage
		effect.Tap(printTotal),
		effect.Map(func(o order) int { return o.total }),
	)
	fmt.Println(mutex.WithLock(lock, program)(context.Background()))
	// Output:
	// o-1 costs 25
	// 25 <nil>
}

// Do-notation collects the results of the steps for later steps to use. A step that does not
// need the results of those before it can run at the same time: use effect.ApS.
func Example_doNotation() {
	type payment struct{ total, balance, fee int }
	setTotal := func(n int) func(payment) payment { return func(p payment) payment { p.total = n; return p } }
	setBalance := func(n int) func(payment) payment { return func(p payment) payment { p.balance = n; return p } }
	setFee := func(n int) func(payment) payment { return func(p payment) payment { p.fee = n; return p } }
	feeOf := func(p payment) effect.Effect[int] { return effect.Succeed(p.total / 10) }

	lock := mutex.Must(mutex.New(memory.New(), "account", mutex.Config{}))
	program := F.Pipe4(
		RR.Do(payment{total: 20}),
		RR.Bind(setTotal, func(p payment) effect.Effect[int] { return effect.Succeed(p.total + 10) }),
		effect.ApS(setBalance, effect.Succeed(100)), // at the same time as the steps above
		RR.Bind(setFee, feeOf),
		effect.Map(func(p payment) int { return p.balance - p.total - p.fee }),
	)
	fmt.Println(mutex.WithLock(lock, program)(context.Background()))
	// Output: 67 <nil>
}

// Schedules are values. This one has growing delays with jitter, each at most a minute, for
// at most ten retries, and then retries every hour.
func Example_schedules() {
	policy := schedule.Exponential(time.Second).Jittered().CapDelay(time.Minute).
		Intersect(schedule.Recurs(10)).
		AndThen(schedule.Spaced(time.Hour))
	fmt.Println(len(policy.Delays(12)), policy.Delays(12)[11])

	lock := mutex.Must(mutex.New(memory.New(), "import", mutex.Config{AcquireRetryPolicy: policy}))
	fmt.Println(mutex.WithLock(lock, effect.Succeed("imported"))(context.Background()))
	// Output:
	// 12 1h0m0s
	// imported <nil>
}

// There is a handler for each way in which a lock can fail. The program does not compile if
// one is missing.
func Example_matchErrors() {
	recovered := mutex.CatchErrors(
		func(e *mutex.LockLostError) effect.Effect[string] { return effect.Succeed("lost: " + string(e.Reason)) },
		func(e *mutex.LockNotAcquiredError) effect.Effect[string] { return effect.Succeed("busy: " + e.Key) },
		func(e *mutex.MutexBackingError) effect.Effect[string] { return effect.Succeed("down: " + e.Operation) },
	)
	store := memory.New()
	lock := mutex.Must(mutex.New(store, "report", mutex.Config{RefreshInterval: time.Millisecond}))
	steal := func(ctx context.Context) (string, error) {
		held, _ := mutex.FromContext(ctx)
		_, _ = store.Release(ctx, held.Key(), held.HolderID())
		<-ctx.Done() // the next refresh discovers the loss
		return "", ctx.Err()
	}
	fmt.Println(recovered(mutex.WithLock(lock, steal))(context.Background()))
	fmt.Println(recovered(mutex.WithLock(lock, effect.Succeed("written")))(context.Background()))
	// Output:
	// lost: gone <nil>
	// written <nil>
}

// Nested locks are taken in the same order everywhere, here by key. If either is lost, the
// work under both is cancelled.
func Example_nestedLocks() {
	store := memory.New()
	ann := mutex.Must(mutex.New(store, "account/ann", mutex.Config{}))
	bob := mutex.Must(mutex.New(store, "account/bob", mutex.Config{}))

	transfer := effect.Succeed("transferred")
	fmt.Println(effect.With(transfer, bob.Aspect(), ann.Aspect())(context.Background())) // the first is the innermost
	// Output: transferred <nil>
}

// Under the lock, resources that are needed together are acquired in order and released in
// reverse order.
func Example_resources() {
	open := func(name string) effect.Resource[io.ReadCloser] {
		return effect.AcquireRelease(effect.Sync(func() io.ReadCloser {
			fmt.Println("open", name)
			return io.NopCloser(strings.NewReader(name + " "))
		}), func(r io.ReadCloser, e effect.Exit[any]) effect.Effect[effect.Void] {
			fmt.Println("close", name)
			return effect.Close(r, e)
		})
	}
	both := effect.Both(open("orders"), func(a, b io.ReadCloser) io.Reader { return io.MultiReader(a, b) })(open("prices"))
	read := effect.Use(func(r io.Reader) effect.Effect[[]byte] {
		return effect.Try(func() ([]byte, error) { return io.ReadAll(r) })
	})(both)

	lock := mutex.Must(mutex.New(memory.New(), "files", mutex.Config{}))
	text, err := mutex.WithLock(lock, read)(context.Background())
	fmt.Printf("%q %v\n", text, err)
	// Output:
	// open prices
	// open orders
	// close orders
	// close prices
	// "prices orders " <nil>
}

// Each account has its own lock. At most three accounts are settled at a time.
func Example_boundedParallelism() {
	store := memory.New()
	var busy atomic.Int32
	settle := func(account string) effect.Effect[string] {
		work := func(ctx context.Context) (string, error) {
			if busy.Add(1) > 3 {
				return "", errors.New("more than three at a time")
			}
			defer busy.Add(-1)
			_, err := effect.Sleep(time.Millisecond)(ctx)
			return account + " is settled", err
		}
		return effect.FlatMap(func(m *mutex.Mutex) effect.Effect[string] {
			return mutex.WithLock(m, work)
		})(mutex.Make("account/"+account, mutex.Config{})(store))
	}
	settled, err := effect.ForEach(3, settle)([]string{"ann", "bob", "cem", "dee", "eve"})(context.Background())
	fmt.Println(len(settled), settled[4], err)
	// Output: 5 eve is settled <nil>
}

// Only one type of error is retried, at most five times, and each try may take a second.
func Example_retryOneError() {
	tries := 0
	pay := func(context.Context) (string, error) {
		if tries++; tries < 3 {
			return "", &busyError{tries}
		}
		return "paid", nil
	}
	isBusy := func(err error) bool { return errors.As(err, new(*busyError)) }
	budget := schedule.Exponential(time.Millisecond).Intersect(schedule.Recurs(5)).WhileError(isBusy)

	lock := mutex.Must(mutex.New(memory.New(), "payment", mutex.Config{}))
	program := effect.With(pay, effect.Within(time.Second), effect.Retrying(budget), lock.Aspect())
	receipt, err := program(context.Background())
	fmt.Println(receipt, err, tries)
	// Output: paid <nil> 3
}

type busyError struct{ attempt int }

func (e *busyError) Error() string { return fmt.Sprint("the bank is busy, attempt ", e.attempt) }

// If the lock is taken, a stale value is returned in place of a fresh one.
func Example_fallback() {
	store := memory.New()
	config := mutex.Config{AcquireRetryPolicy: schedule.Stop()}
	refresh := mutex.WithLock(mutex.Must(mutex.New(store, "cache", config)), effect.Succeed("fresh"))
	stale := effect.CatchTag(func(*mutex.LockNotAcquiredError) effect.Effect[string] { return effect.Succeed("stale") })

	ctx := context.Background()
	another := backing.Claim{Key: "cache", Holder: "another process", TTL: time.Minute}
	_, _ = store.TryAcquire(ctx, another)
	fmt.Println(stale(refresh)(ctx))
	_, _ = store.Release(ctx, another.Key, another.Holder)
	fmt.Println(stale(refresh)(ctx))
	// Output:
	// stale <nil>
	// fresh <nil>
}

// A job runs at the start of every minute (here, every millisecond), and skips its turn while
// another process has the lock. In place of next, use the Next method of a robfig/cron
// schedule.
func Example_cronJobThatSkips() {
	next := func(now time.Time) time.Time { return now.Truncate(time.Millisecond).Add(time.Millisecond) }
	twice := schedule.At(next).Intersect(schedule.Recurs(2)) // without Recurs it never ends

	lock := mutex.Must(mutex.New(memory.New(), "clean-up", mutex.Config{}))
	cleanUp := mutex.WithLockIfAvailable(lock, effect.Succeed(3))
	turn := effect.Map(option.Fold(
		func() string { return "skipped" },
		func(files int) string { return fmt.Sprint("deleted ", files) },
	))(cleanUp)

	fmt.Println(effect.With(turn, effect.Scheduled(twice))(context.Background()))
	// Output: deleted 3 <nil>
}
