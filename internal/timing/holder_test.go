package timing_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/mutex"
)

const step = 2 * time.Millisecond

// lease is how a holder holds its lock.
type lease struct {
	Key          string
	TTL, Refresh time.Duration
	Hold         time.Duration // after which the work returns by itself
	Blind        bool          // the work does not look at its context
}

// account is what became of a holder. Its moments are those of the machine's clock.
type account struct {
	Key       string
	Token     uint64
	Last      time.Time        // when the work last looked at its context, and it had not ended
	Ended     time.Time        // when the work returned
	Lost      time.Time        // when the lock said that it was lost
	Reason    mutex.LossReason // "" if WithLock did not fail with a loss
	Error     string           // "" if WithLock succeeded
	Cancelled bool             // the work saw the end of its context
	Wrote     time.Time        // when it began the last write that was accepted
	Refused   int              // writes
}

// hold has the lock until its time is over, or it is lost. inside is called when
// it has it, and over when the work has returned.
func (l lease) hold(b backing.Backing, doc *register, inside, over func()) (a account) {
	a.Key = l.Key
	var lost atomic.Pointer[time.Time]
	m, err := mutex.New(b, l.Key, mutex.Config{TTL: l.TTL, RefreshInterval: l.Refresh, Observer: func(e mutex.Event) {
		if e.Kind == mutex.Lost {
			now := time.Now() // the context has ended just before
			lost.Store(&now)
		}
	}})
	if err != nil {
		a.Error = err.Error()
		inside()
		over()
		return a
	}
	// To get a short lease may take longer than a loaded machine lets anybody try.
	for give := time.Now().Add(patience); a.Token == 0 && time.Now().Before(give); {
		_, err = mutex.WithLock(m, func(ctx context.Context) (none struct{}, err error) {
			lock, _ := mutex.FromContext(ctx)
			a.Token, a.Last = lock.Token(), time.Now()
			inside()
			l.work(ctx, doc, &a)
			a.Ended = time.Now()
			over()
			return none, nil
		})(context.Background())
	}
	if a.Token == 0 {
		inside()
		over()
	}
	if loss, ok := errors.AsType[*mutex.LockLostError](err); ok {
		a.Reason = loss.Reason
	}
	if at := lost.Load(); at != nil {
		a.Lost = *at
	}
	if err != nil {
		a.Error = err.Error()
	}
	if doc != nil {
		doc.write(&a) // of one who does not know yet that it has lost
	}
	return a
}

func (l lease) work(ctx context.Context, doc *register, a *account) {
	for end := time.Now().Add(l.Hold); time.Now().Before(end); {
		time.Sleep(step)
		if doc != nil {
			doc.write(a)
		}
		if l.Blind {
			continue
		}
		looked := time.Now()
		if ctx.Err() != nil {
			a.Cancelled = true
			return
		}
		a.Last = looked
	}
}

// register is a resource that refuses tokens lower than the highest it has seen.
type register struct{ client *goredis.Client }

var fenced = goredis.NewScript(`
if tonumber(ARGV[1]) < tonumber(redis.call('GET', KEYS[1]) or '0') then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', 60000)
return 1`)

func (r *register) write(a *account) {
	begun := time.Now()
	accepted, err := fenced.Run(context.Background(), r.client, []string{"register:" + a.Key}, a.Token).Bool()
	switch {
	case err != nil:
		a.Error = fmt.Sprintf("%s; the register failed: %v", a.Error, err)
	case accepted:
		a.Wrote = begun
	default:
		a.Refused++
	}
}
