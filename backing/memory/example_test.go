package memory_test

import (
	"context"
	"fmt"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/mutex"
)

func Example() {
	lock, err := mutex.New(memory.New(), "nightly-report", mutex.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = lock.Do(context.Background(), func(context.Context) error {
		fmt.Println("the report")
		return nil
	})
	fmt.Println(err)
	// Output:
	// the report
	// <nil>
}

// All mutexes of one store and key exclude each other.
func ExampleBacking() {
	var store backing.Able = memory.New()
	first := mutex.Must(mutex.New(store, "printer", mutex.Config{}))
	second := mutex.Must(mutex.New(store, "printer", mutex.Config{}))

	_ = first.Do(context.Background(), func(ctx context.Context) error {
		ran, err := second.TryDo(ctx, func(context.Context) error { return nil })
		fmt.Println(ran)
		return err
	})
	fmt.Println(store.Abilities().Queue != nil) // waiters are served in order
	// Output:
	// false
	// true
}

// A mutex sends requests like these to its store.
func ExampleNew() {
	ctx, store := context.Background(), memory.New()
	claim := func(holder string) backing.Claim {
		return backing.Claim{Key: "printer", Holder: holder, TTL: 30 * time.Second}
	}

	ann, _ := store.TryAcquire(ctx, claim("ann"))
	bob, _ := store.TryAcquire(ctx, claim("bob"))
	fmt.Println("ann:", option.IsSome(ann), "bob:", option.IsSome(bob))

	released, _ := store.Release(ctx, "printer", "ann")
	bob, _ = store.TryAcquire(ctx, claim("bob"))
	fmt.Println("released:", released, "bob:", option.IsSome(bob))
	// Output:
	// ann: true bob: false
	// released: true bob: true
}

func ExampleBacking_Pass() {
	ctx, store := context.Background(), memory.New()
	claim := func(holder string) backing.Claim {
		return backing.Claim{Key: "printer", Holder: holder, TTL: 30 * time.Second}
	}

	_, _ = store.TryAcquire(ctx, claim("ann"))
	outcome, _ := store.Pass(ctx, claim("ann"), backing.Waiter{Claim: claim("bob"), Wake: func() {}}, false)
	_, granted := outcome.(backing.Granted)
	holder, _ := store.GetHolder(ctx, "printer")
	fmt.Println(granted, option.GetOrElse(func() string { return "nobody" })(holder))
	// Output:
	// true bob
}

func ExampleBacking_Enqueue() {
	ctx, store := context.Background(), memory.New()
	claim := func(holder string) backing.Claim {
		return backing.Claim{Key: "printer", Holder: holder, TTL: 30 * time.Second}
	}
	woken := make(chan struct{}, 1)
	bob := backing.Waiter{Claim: claim("bob"), Wake: func() { woken <- struct{}{} }}

	_, _ = store.TryAcquire(ctx, claim("ann"))
	outcome, _ := store.Enqueue(ctx, bob)
	_, queued := outcome.(backing.Queued)
	fmt.Println("bob waits:", queued)
	_, _ = store.Release(ctx, "printer", "ann")

	<-woken
	outcome, _ = store.Enqueue(ctx, bob)
	_, granted := outcome.(backing.Granted)
	fmt.Println("bob has the printer:", granted)
	// Output:
	// bob waits: true
	// bob has the printer: true
}

func ExampleBacking_Refresh() {
	ctx, store := context.Background(), memory.New()
	ann := backing.Claim{Key: "printer", Holder: "ann", TTL: 30 * time.Second}
	_, _ = store.TryAcquire(ctx, ann)

	extended, _ := store.Refresh(ctx, ann)
	locked, _ := store.IsLocked(ctx, "printer")
	holder, _ := store.GetHolder(ctx, "printer")
	fmt.Println(extended, locked, holder == option.Some("ann"))
	// Output: true true true
}

func ExampleBacking_RefreshAll() {
	ctx, store := context.Background(), memory.New()
	printer := backing.Claim{Key: "printer", Holder: "ann", TTL: 30 * time.Second}
	scanner := backing.Claim{Key: "scanner", Holder: "ann", TTL: 30 * time.Second}
	_, _ = store.TryAcquire(ctx, printer)

	answers := store.RefreshAll(ctx, []backing.Claim{printer, scanner})
	fmt.Println(answers[0].Held, answers[1].Held)
	// Output: true false
}

func ExampleBacking_ReleaseClaim() {
	ctx, store := context.Background(), memory.New()
	ann := backing.Claim{Key: "printer", Holder: "ann", TTL: 30 * time.Second}
	_, _ = store.TryAcquire(ctx, ann)

	for range 2 {
		found, _ := store.ReleaseClaim(ctx, ann)
		fmt.Println(found)
	}
	// Output:
	// freed now
	// freed earlier
}
