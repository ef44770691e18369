// Fencing shows what no lock can prevent: a holder is stopped until its lease has ended, and
// then continues, unaware, and writes. Its fencing token shows that it is stale.
package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// document remembers the highest token it has seen, and refuses lower ones.
type document struct {
	mu   sync.Mutex
	text string
	seen uint64
}

var errStale = errors.New("write refused: the document has seen a newer token")

func (d *document) write(ctx context.Context, text string) error {
	lock, ok := mutex.FromContext(ctx)
	if !ok {
		return errors.New("write refused: it is not under the lock")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if lock.Token() < d.seen {
		return errStale
	}
	d.text, d.seen = text, lock.Token()
	return nil
}

func main() {
	store, doc := memory.New(), &document{}
	stopped, overtaken := make(chan effect.Void), make(chan effect.Void)

	first := writer(store, 200*time.Millisecond, func(ctx context.Context) (done effect.Void, err error) {
		fmt.Println("first has the lock, and is stopped")
		lock, _ := mutex.FromContext(ctx)
		if _, err := lock.Interrupt()(ctx); err != nil { // a stopped process refreshes nothing,
			return done, err
		}
		close(stopped)
		<-overtaken // and does not see that its context has ended
		fmt.Println("first goes on, and writes")
		return done, doc.write(ctx, "by the first")
	})
	second := writer(store, 30*time.Second, func(ctx context.Context) (done effect.Void, err error) {
		fmt.Println("second has the lock, and writes")
		defer close(overtaken)
		return done, doc.write(ctx, "by the second")
	})
	afterStop := func(ctx context.Context) (effect.Void, error) { <-stopped; return second(ctx) }

	_, err := effect.Run(context.Background(), effect.All(2, first, afterStop))
	fmt.Printf("first: %v\nthe document was written %s\n", err, doc.text)
}

// writer is a process that writes under the lock. Each writer has its own TTL.
func writer(store backing.Backing, ttl time.Duration, work effect.Effect[effect.Void]) effect.Effect[effect.Void] {
	locked := func(m *mutex.Mutex) effect.Effect[effect.Void] { return mutex.WithLock(m, work) }
	return effect.FlatMap(locked)(mutex.Make("document", mutex.Config{TTL: ttl})(store))
}
