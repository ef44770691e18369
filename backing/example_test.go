package backing_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/mutex"
)

// What most programs do with a store: nothing but choose it.
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

func ExampleGrant() {
	claim := backing.Claim{Key: "printer", Holder: "ann", TTL: 30 * time.Second}
	store := memory.New()

	first, _ := store.TryAcquire(context.Background(), claim)
	again, _ := store.TryAcquire(context.Background(), claim) // the reply was lost, say
	isResumed := option.Map(func(g backing.Grant) bool { return g.Resumed })
	fmt.Println(isResumed(first), isResumed(again))
	// Output: Some[bool](false) Some[bool](true)
}

// A queue answers with one of four outcomes.
func ExampleOutcome() {
	describe := func(o backing.Outcome) string {
		switch o := o.(type) {
		case backing.Granted:
			return "the claimant has the key"
		case backing.Queued:
			return fmt.Sprint("it waits, and asks again within ", o.AskAgain)
		case backing.MustPoll:
			return fmt.Sprint("it cannot be woken: ", o.Why)
		case backing.Refused:
			return "it had been released before"
		}
		return "unknown"
	}
	fmt.Println(describe(backing.Granted{}))
	fmt.Println(describe(backing.Queued{AskAgain: time.Second}))
	fmt.Println(describe(backing.MustPoll{Why: errors.New("no subscription")}))
	fmt.Println(describe(backing.Refused{}))
	// Output:
	// the claimant has the key
	// it waits, and asks again within 1s
	// it cannot be woken: no subscription
	// it had been released before
}

func ExampleReleased() {
	fmt.Println(backing.FreedNow, "/", backing.FreedEarlier, "/", backing.NotHeld)
	fmt.Println("remembered for", backing.ReleaseMemory)
	// Output:
	// freed now / freed earlier / not held
	// remembered for 6s
}

// countingStore counts refreshes, and passes the queue of its store on.
type countingStore struct {
	backing.Backing
	refreshes int
}

func (s *countingStore) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	s.refreshes++
	return s.Backing.Refresh(ctx, c)
}

func (s *countingStore) Abilities() backing.Abilities {
	return backing.Abilities{Of: s, Queue: backing.AbilitiesOf(s.Backing).Queue}
}

// A decorator names the abilities that it passes on. It leaves out Batcher, so that every
// refresh goes through its own method.
func ExampleAble() {
	var store backing.Able = &countingStore{Backing: memory.New()}
	abilities := backing.AbilitiesOf(store)
	fmt.Println(abilities.Queue != nil, abilities.Batcher != nil)
	// Output: true false
}

func ExampleFuncs_CheckComplete() {
	fmt.Println((&backing.Funcs{Base: memory.New()}).CheckComplete())
	fmt.Println((&backing.Funcs{}).CheckComplete() != nil)
	// Output:
	// <nil>
	// true
}
