package protocol_test

import (
	"context"
	"slices"
	"time"

	"github.com/IBM/fp-go/v2/option"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

// sender is what sends a request: the process, or the network if the process has long
// forgotten it.
func (f *fleet) sender(a act) *redis.Backing {
	if a.late[a.claim()] {
		return f.network
	}
	return a.backing
}

func (f *fleet) tryAcquire(t *rapid.T, a act) (outcome, string, uint64) {
	a.by = a.trier
	g, err := f.sender(a).TryAcquire(context.Background(), f.waiter(a.vessel, a.key, a.by, a.attempt).Claim)
	require.NoError(t, err)
	got, token := isRefused, uint64(0)
	if grant, ok := option.Unwrap(g); ok {
		got, token = describe(backing.Granted{Grant: grant})
	}
	return a.tryAcquire(a.claim(), a.by), got, token
}

func describe(o backing.Outcome) (string, uint64) {
	switch o := o.(type) {
	case backing.Granted:
		if o.Resumed {
			return isResumed, o.Token
		}
		return isGranted, o.Token
	case backing.Queued:
		return isQueued, 0
	case backing.MustPoll:
		return mustPoll, 0
	default:
		return isRefused, 0
	}
}

func (f *fleet) enqueue(t *rapid.T, a act) (outcome, string, uint64) {
	o, err := f.sender(a).Enqueue(context.Background(), f.waiter(a.vessel, a.key, a.by, a.attempt))
	require.NoError(t, err)
	got, token := describe(o)
	return a.enqueue(a.claim(), a.by), got, token
}

// askAgain is a request from the holder that the lock is reserved for, as after a wake-up; or,
// if the lock is free, from the holder that released it last.
func (f *fleet) askAgain(t *rapid.T, a act) (outcome, string, uint64) {
	switch {
	case a.reserved:
		a.become(f, a.holder)
	case a.holder == "" && f.released.key == a.key:
		a.become(f, f.released.by)
	}
	return f.enqueue(t, a)
}

func (f *fleet) pass(t *rapid.T, a act) (outcome, string, uint64) {
	yield := rapid.Bool().Draw(t, "yield")
	from := rapid.SampledFrom(rapid.SampledFrom(f.vessels).Draw(t, "process of from").holders()).Draw(t, "from")
	if a.holder != "" && rapid.Bool().Draw(t, "by the holder") {
		from = a.holder
	}
	if rapid.IntRange(0, 2).Draw(t, "to the holder") == 0 { // like a holder that asks again
		a.become(f, a.holder)
	}
	if from == a.by {
		from = "nobody"
	}
	if a.late[a.claim()] && a.has(a.by) {
		a.attempt = "" // a request of its own process is not late
	}
	o, err := a.backing.Pass(context.Background(), f.waiter(a.vessel, a.key, from, "").Claim, f.waiter(a.vessel, a.key, a.by, a.attempt), yield)
	require.NoError(t, err)
	got, token := describe(o)
	return a.pass(a.name, from, a.claim(), a.by, yield), got, token
}

// become makes another holder the one that acts, if it lives and waits for locks.
func (a *act) become(f *fleet, holder string) {
	for _, v := range f.vessels {
		if slices.Contains(v.waiters, holder) {
			a.vessel, a.by = v, holder
		}
	}
}

func (f *fleet) refresh(t *rapid.T, a act) (outcome, string, uint64) {
	yes, err := a.backing.Refresh(context.Background(), f.waiter(a.vessel, a.key, a.by, a.attempt).Claim)
	require.NoError(t, err)
	got := notHeld
	if yes {
		got = isHeld
	}
	return a.refresh(a.by), got, 0
}

func (f *fleet) release(t *rapid.T, a act) (outcome, string, uint64) {
	if rapid.IntRange(0, 3).Draw(t, "by a holder that only tries") == 0 {
		a.by = a.trier
	}
	if rapid.IntRange(0, 2).Draw(t, "by the holder") > 0 { // otherwise little would happen
		a.become(f, a.holder)
	}
	if last := f.released; last.key == a.key && f.alive(last.by) && rapid.IntRange(0, 2).Draw(t, "again") == 0 {
		a = last
	}
	f.released = a
	got, err := a.backing.ReleaseClaim(context.Background(), f.waiter(a.vessel, a.key, a.by, a.attempt).Claim)
	require.NoError(t, err)
	return a.release(a.name, a.claim(), a.by), got.String(), 0
}

// foreigner takes the lock as SET NX does, or frees it as DEL does.
func (f *fleet) foreigner(t *rapid.T, a act) (outcome, string, uint64) {
	ctx, lock := context.Background(), "dmutex:"+a.key
	switch a.holder {
	case "":
		require.NoError(t, f.admin.Set(ctx, lock, "foreigner", lasting).Err())
		a.holder = "foreigner"
	case "foreigner":
		require.NoError(t, f.admin.Del(ctx, lock).Err())
		a.free()
	}
	return outcome{}, "", 0
}

// lose lets a lease or a reservation run out.
func (f *fleet) lose(t *rapid.T, a act) (outcome, string, uint64) {
	ctx, lock := context.Background(), "dmutex:"+a.key
	require.NoError(t, f.admin.PExpire(ctx, lock, time.Millisecond).Err())
	f.eventually("the lease does not end", func() bool { return f.admin.Exists(ctx, lock).Val() == 0 })
	a.free()
	return outcome{}, "", 0
}

// passOver does what a release does to a waiter in a process that is not subscribed.
func (f *fleet) passOver(t *rapid.T, a act) (outcome, string, uint64) {
	if waiting := a.waiting(false); len(waiting) > 0 {
		_, queue, _ := keysOf(a.key)
		first := f.admin.ZRange(context.Background(), queue, 0, 0).Val()[0]
		require.NoError(t, f.admin.ZIncrBy(context.Background(), queue, passedOver, first).Err())
		a.queue[slices.Index(a.queue, entry{holder: waiting[0]})].passed = true
	}
	return outcome{}, "", 0
}

// doubt does what a release does if a request of its claim got no answer: such requests are
// refused from then on.
func (f *fleet) doubt(t *rapid.T, a act) (outcome, string, uint64) {
	if rapid.Bool().Draw(t, "of a holder that only tries") {
		a.by = a.trier
	}
	if a.attempt != "" && a.holder != a.by && !a.has(a.by) {
		_, queue, _ := keysOf(a.key)
		ctx := context.Background()
		require.NoError(t, f.admin.ZAdd(ctx, queue, goredis.Z{Score: 9e15, Member: "x " + a.claim()}).Err())
		require.NoError(t, f.admin.PExpire(ctx, queue, time.Minute).Err())
		a.late[a.claim()] = true
	}
	return outcome{}, "", 0
}

func (f *fleet) refreshAll(t *rapid.T) {
	v := rapid.SampledFrom(f.vessels).Draw(t, "process")
	var claims []backing.Claim
	var want []backing.Refreshed
	for _, key := range []string{"k", "{tag} l"} {
		holder := rapid.SampledFrom(v.waiters).Draw(t, "holder")
		claims = append(claims, f.waiter(v, key, holder, "").Claim)
		want = append(want, backing.Refreshed{Held: f.locks[key].refresh(holder).answer == isHeld})
	}
	require.Equal(t, want, v.backing.RefreshAll(context.Background(), claims))
}

// die ends a process and starts another.
func (f *fleet) die(t *rapid.T) {
	f.T = t
	f.sink(rapid.IntRange(0, len(f.vessels)-1).Draw(t, "process"))
	f.launch()
}

// loseAll empties the server. The tokens must go on rising.
func (f *fleet) loseAll(t *rapid.T) {
	f.T = t
	require.NoError(t, f.admin.FlushAll(context.Background()).Err())
	for _, l := range f.locks {
		l.free()
		l.queue, l.released, l.late = nil, map[string]string{}, map[string]bool{}
	}
}
