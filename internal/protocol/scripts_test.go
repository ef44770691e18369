package protocol_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/effectlock/effectlock/internal/redistest"
)

// When it fails, it prints the seed and the shortest run it has found.
func TestScriptsDoWhatTheLedgerSays(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	admin := server.Client(t)
	rapid.Check(t, func(t *rapid.T) {
		f := newFleet(t, server, admin)
		defer f.close()
		actions := map[string]func(*rapid.T){
			"try":        func(t *rapid.T) { f.does(t, f.tryAcquire) },
			"enqueue":    func(t *rapid.T) { f.does(t, f.enqueue) },
			"enqueues":   func(t *rapid.T) { f.does(t, f.enqueue) },
			"asks":       func(t *rapid.T) { f.does(t, f.askAgain) },
			"pass":       func(t *rapid.T) { f.does(t, f.pass) },
			"passes":     func(t *rapid.T) { f.does(t, f.pass) },
			"refresh":    func(t *rapid.T) { f.does(t, f.refresh) },
			"release":    func(t *rapid.T) { f.does(t, f.release) },
			"releases":   func(t *rapid.T) { f.does(t, f.release) },
			"foreigner":  func(t *rapid.T) { f.does(t, f.foreigner) },
			"lose":       func(t *rapid.T) { f.does(t, f.lose) },
			"passOver":   func(t *rapid.T) { f.does(t, f.passOver) },
			"doubt":      func(t *rapid.T) { f.does(t, f.doubt) },
			"refreshAll": f.refreshAll,
			"die":        f.die,
			"loseAll":    f.loseAll,
		}
		t.Repeat(actions)
	})
}

// An act is an operation by a holder of a process on a lock.
type act struct {
	*ledger
	*vessel
	key, by string
	attempt string
}

func (f *fleet) draw(t *rapid.T) act {
	key := rapid.SampledFrom([]string{"k", "k", "k", "{tag} l"}).Draw(t, "key")
	v := rapid.SampledFrom(f.vessels).Draw(t, "process")
	attempt := rapid.SampledFrom([]string{"", "", "1"}).Draw(t, "attempt")
	return act{f.locks[key], v, key, rapid.SampledFrom(v.waiters).Draw(t, "holder"), attempt}
}

// claim is how the store distinguishes an acquisition from others of its holder.
func (a *act) claim() string {
	if a.attempt == "" {
		return a.by
	}
	return a.by + ":" + a.attempt
}

// does performs a random act, and compares all its results. The token is 0 if there is no
// grant.
func (f *fleet) does(t *rapid.T, something func(*rapid.T, act) (want outcome, got string, token uint64)) {
	f.T = t
	a := f.draw(t)
	before := f.published()
	f.began = time.Now()
	o, got, token := something(t, a)

	require.Equal(t, o.answer, got, "the answer to %s for %q", a.by, a.key)
	if got == isGranted || got == isResumed {
		require.Greater(t, token, f.token)
		f.token = token
	}
	published := f.published() - before
	if o.mayProbe && published == o.published+1 {
		published--
	}
	require.Equal(t, o.published, published, "messages published")
	f.lasts(a, o)
	if o.woken != "" {
		f.wakes(a.key, o.woken)
	}
	require.Empty(t, f.woken)
	f.inStore(a.key)
}

// wakes waits for the message to holder, the only one under way.
func (f *fleet) wakes(key, holder string) {
	select {
	case w := <-f.woken:
		require.Equal(f, wakeUp{key, holder}, w)
	case <-time.After(10 * time.Second):
		require.Fail(f, "was not woken", "%q is reserved for %s", key, holder)
	}
}

// lasts checks the holder's lease, which is short if this operation reserved the lock, and
// then makes it long.
func (f *fleet) lasts(a act, o outcome) {
	if a.holder == "" {
		return
	}
	ctx, lock := context.Background(), "dmutex:"+a.key
	left := f.admin.PTTL(ctx, lock).Val()
	require.Positive(f, left, "%q is free %v after an operation that gave it to %s", a.key, time.Since(f.began), a.holder)
	if o.woken != "" {
		require.LessOrEqual(f, left, 2*time.Second, "the lock is reserved")
	} else {
		require.Greater(f, left, lasting/2)
	}
	require.True(f, f.admin.PExpire(ctx, lock, lasting).Val())
}
