// Fromtypescript is the first program in docs/from-typescript.md: a lock on Redis in the
// style of Effect, with a store that a scope opens and closes.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	F "github.com/IBM/fp-go/v2/function"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

func report(ctx context.Context) (string, error) { return "20 orders", nil }

func program(store *redis.Backing) effect.Effect[string] {
	return F.Pipe2(
		mutex.Make("nightly-report", mutex.Config{TTL: 10 * time.Second})(store),
		effect.FlatMap(func(m *mutex.Mutex) effect.Effect[string] { return mutex.WithLock(m, report) }),
		effect.CatchTag(lost),
	)
}

func lost(e *mutex.LockLostError) effect.Effect[string] {
	return effect.Succeed("lost the lock on " + e.Key)
}

func provide(url string, work func(*redis.Backing) effect.Effect[string]) effect.Effect[string] {
	return effect.Scoped(func(s *effect.Scope) effect.Effect[string] {
		return effect.FlatMap(work)(redis.FromURL(url)(s))
	})
}

func main() {
	fmt.Println(effect.Run(context.Background(), provide(os.Getenv("REDIS_URL"), program)))
}
