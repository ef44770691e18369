// Pipeline builds a locked effect from small ones with fp-go: Do-notation
// gathers what the work needs, a schedule repeats one step of it, and all of it runs
// under the lock.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	F "github.com/IBM/fp-go/v2/function"
	RR "github.com/IBM/fp-go/v2/idiomatic/context/readerresult"

	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

func main() {
	lock, err := mutex.New(memory.New(), "accounts/ann", mutex.Config{})
	if err == nil {
		ann := &account{balance: 500}
		// Without the lock, both could start from the same balance.
		_, err = effect.Run(context.Background(), effect.All(2, pay(lock, ann, 100), pay(lock, ann, 100)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pipeline:", err)
		os.Exit(1)
	}
}

// pay is a value: nothing happens until it runs. Only the question to the bank is repeated. A
// write whose reply was lost may have been applied.
func pay(lock *mutex.Mutex, a *account, amount int) effect.Effect[int] {
	policy := schedule.Exponential(10 * time.Millisecond).Jittered().CapDelay(time.Second).UpTo(time.Minute).
		Tap(func(s schedule.Step) { fmt.Printf("try %d: %v\n", s.Attempt, s.Err) })
	askFee := func(p payment) effect.Effect[int] {
		return effect.With(a.askFee(p), effect.Within(5*time.Second), effect.Retrying(policy))
	}
	return mutex.WithLock(lock, F.Pipe4(
		RR.Do(payment{}),
		RR.Bind(setBalance, func(payment) effect.Effect[int] { return a.read }),
		RR.Bind(setFee, askFee),
		effect.FlatMap(func(p payment) effect.Effect[int] { return a.write(p.balance - amount - p.fee) }),
		effect.Map(func(left int) int { fmt.Printf("paid %d, %d are left\n", amount, left); return left }),
	))
}

// payment is what the Do-notation gathers. Each setter stores one value in it.
type payment struct{ balance, fee int }

func setBalance(b int) func(payment) payment {
	return func(p payment) payment { p.balance = b; return p }
}

func setFee(f int) func(payment) payment {
	return func(p payment) payment { p.fee = f; return p }
}

// account is an account at a bank that fails to answer every other question.
type account struct{ balance, asked int }

func (a *account) read(context.Context) (int, error) { return a.balance, nil }

func (a *account) askFee(p payment) effect.Effect[int] {
	return func(context.Context) (int, error) {
		if a.asked++; a.asked%2 == 1 {
			return 0, errors.New("no answer from the bank")
		}
		return p.balance / 100, nil
	}
}

func (a *account) write(b int) effect.Effect[int] {
	return func(context.Context) (int, error) { a.balance = b; return b, nil }
}
