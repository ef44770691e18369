package protocol_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/effectlock/effectlock/backing"
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
			"pass":       func(t *rapid.T) { f.does(t, f.pass) },
			"passes":     func(t *rapid.T) { f.does(t, f.pass) },
			"refresh":    func(t *rapid.T) { f.does(t, f.refresh) },
			"release":    func(t *rapid.T) { f.does(t, f.release) },
			"releases":   func(t *rapid.T) { f.does(t, f.release) },
			"foreigner":  func(t *rapid.T) { f.does(t, f.foreigner) },
			"lose":       func(t *rapid.T) { f.does(t, f.lose) },
			"loses":      func(t *rapid.T) { f.does(t, f.lose) },
			"tries":      func(t *rapid.T) { f.does(t, f.tryAcquire) },
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
}

func (f *fleet) draw(t *rapid.T) act {
	key := rapid.SampledFrom([]string{"k", "k", "k", "{tag} l"}).Draw(t, "key")
	v := rapid.SampledFrom(f.vessels).Draw(t, "process")
	return act{f.locks[key], v, key, rapid.SampledFrom(v.holders).Draw(t, "holder")}
}

// does lets somebody do something, and compares all that comes of it.
func (f *fleet) does(t *rapid.T, something func(*rapid.T, act) (outcome, backing.Standing)) {
	f.T = t
	a := f.draw(t)
	before, last := f.published(), a.token
	f.began = time.Now()
	o, s := something(t, a)

	grant, granted := option.Unwrap(s.Grant)
	require.Equal(t, o.grant, granted, "%s has been granted %q", a.by, a.key)
	require.Equal(t, o.queued, s.AskAgain > 0, "%s is in the queue for %q", a.by, a.key)
	require.Equal(t, o.unqueued, s.NotQueued != nil, "%v", s.NotQueued)
	switch {
	case o.fresh:
		require.Greater(t, grant.Token, last)
		a.token = grant.Token
	case granted:
		require.Equal(t, last, grant.Token, "a holder that was recognized has another token")
	}
	require.Equal(t, o.published, f.published()-before, "messages were published")
	if o.told != "" {
		a.token = f.hears(a.key, o.told, last)
	}
	require.Empty(t, f.heard)
	f.holdOn(a)
	f.inStore(a.key)
}

// hears waits for the message that tells holder of its grant, the only one under way.
func (f *fleet) hears(key, holder string, last uint64) uint64 {
	select {
	case h := <-f.heard:
		require.Equal(f, hearing{key: key, holder: holder}, hearing{key: h.key, holder: h.holder})
		require.Greater(f, h.Token, last)
		require.Equal(f, 2*time.Second, h.Lease)
		require.False(f, h.Start.After(time.Now()))
		return h.Token
	case <-time.After(10 * time.Second):
		require.Fail(f, "was not told", "%s has %q", holder, key)
		return 0
	}
}

// holdOn makes the lease of whoever has the lock a long one: one that was handed
// over is short.
func (f *fleet) holdOn(a act) {
	if a.holder == "" {
		return
	}
	held, err := f.admin.PExpire(context.Background(), "dmutex:"+a.key, lasting).Result()
	require.NoError(f, err)
	require.True(f, held, "%q is free %v after an operation that gave it to %s", a.key, time.Since(f.began), a.holder)
}

func (f *fleet) tryAcquire(t *rapid.T, a act) (outcome, backing.Standing) {
	grant, err := a.backing.TryAcquire(context.Background(), f.waiter(a.key, a.by).Claim)
	require.NoError(t, err)
	return a.tryAcquire(a.by), backing.Standing{Grant: grant}
}

func (f *fleet) enqueue(t *rapid.T, a act) (outcome, backing.Standing) {
	s, err := a.backing.Enqueue(context.Background(), f.waiter(a.key, a.by))
	require.NoError(t, err)
	return a.enqueue(a.by), s
}

func (f *fleet) pass(t *rapid.T, a act) (outcome, backing.Standing) {
	yield := rapid.Bool().Draw(t, "yield")
	from := rapid.SampledFrom(rapid.SampledFrom(f.vessels).Draw(t, "process of from").holders).Draw(t, "from")
	if a.holder != "" && rapid.Bool().Draw(t, "by the holder") {
		from = a.holder
	}
	if rapid.IntRange(0, 2).Draw(t, "to the holder") == 0 { // as one who asks again does
		a.become(f, a.holder)
	}
	if from == a.by {
		from = "nobody"
	}
	yes, s, err := a.backing.Pass(context.Background(), from, f.waiter(a.key, a.by), yield)
	require.NoError(t, err)
	o := a.pass(from, a.by, yield)
	require.Equal(t, o.yes, yes)
	return o, s
}

// become lets another holder do what is done, if it lives.
func (a *act) become(f *fleet, holder string) {
	for _, v := range f.vessels {
		if slices.Contains(v.holders, holder) {
			a.vessel, a.by = v, holder
		}
	}
}

func (f *fleet) refresh(t *rapid.T, a act) (outcome, backing.Standing) {
	yes, err := a.backing.Refresh(context.Background(), f.waiter(a.key, a.by).Claim)
	require.NoError(t, err)
	o := a.refresh(a.by)
	require.Equal(t, o.yes, yes)
	return o, backing.Standing{}
}

func (f *fleet) release(t *rapid.T, a act) (outcome, backing.Standing) {
	if rapid.IntRange(0, 2).Draw(t, "by the holder") > 0 { // or little would happen
		a.become(f, a.holder)
	}
	yes, err := a.backing.Release(context.Background(), a.key, a.by)
	require.NoError(t, err)
	o := a.release(a.by)
	require.Equal(t, o.yes, yes)
	return o, backing.Standing{}
}

// foreigner takes the lock as SET NX does, or frees it as DEL does.
func (f *fleet) foreigner(t *rapid.T, a act) (outcome, backing.Standing) {
	ctx, lock := context.Background(), "dmutex:"+a.key
	switch a.holder {
	case "":
		require.NoError(t, f.admin.Set(ctx, lock, "foreigner", lasting).Err())
		a.holder = "foreigner"
	case "foreigner":
		require.NoError(t, f.admin.Del(ctx, lock).Err())
		a.lost()
	}
	return outcome{}, backing.Standing{}
}

// lose lets a lease run out.
func (f *fleet) lose(t *rapid.T, a act) (outcome, backing.Standing) {
	ctx, lock := context.Background(), "dmutex:"+a.key
	require.NoError(t, f.admin.PExpire(ctx, lock, time.Millisecond).Err())
	f.eventually("the lease does not end", func() bool { return f.admin.Exists(ctx, lock).Val() == 0 })
	a.lost()
	return outcome{}, backing.Standing{}
}

func (f *fleet) refreshAll(t *rapid.T) {
	v := rapid.SampledFrom(f.vessels).Draw(t, "process")
	var claims []backing.Claim
	var want []backing.Refreshed
	for _, key := range []string{"k", "{tag} l"} {
		holder := rapid.SampledFrom(v.holders).Draw(t, "holder")
		claims = append(claims, f.waiter(key, holder).Claim)
		want = append(want, backing.Refreshed{Held: f.locks[key].refresh(holder).yes})
	}
	require.Equal(t, want, v.backing.RefreshAll(context.Background(), claims))
}

// die ends a process, and starts another.
func (f *fleet) die(t *rapid.T) {
	f.T = t
	f.sink(rapid.IntRange(0, len(f.vessels)-1).Draw(t, "process"))
	f.launch()
}

// loseAll empties the server: but for the tokens, which go on rising.
func (f *fleet) loseAll(t *rapid.T) {
	f.T = t
	require.NoError(t, f.admin.FlushAll(context.Background()).Err())
	for _, l := range f.locks {
		l.holder, l.queue, l.released = "", nil, map[string]bool{}
	}
}
