package backingtest

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

type (
	grantOption  = option.Option[backing.Grant]
	holderOption = option.Option[string]
)

// A flawed store has all abilities, and makes one mistake that a lock library has made or
// could make. Without a flaw it is sound: a mistake is a line of an operation.
type flawed struct {
	flaw string

	mu    sync.Mutex
	keys  map[string]*entry
	token uint64
	calls atomic.Int64
}

// An entry is the state of a key.
type entry struct {
	holder  string // "" if the key is free
	attempt string
	token   uint64
	ends    time.Time
	kept    time.Duration // the TTL for which a woken claimant had asked
	queue   []backing.Waiter
	gone    map[acquisition]*release
}

type acquisition struct{ holder, attempt string }

type release struct {
	until time.Time
	freed bool
	next  acquisition // after Pass
}

func (f *flawed) is(flaw string) bool { return f.flaw == flaw }

// enter locks the store and finds the entry of a key, without what has expired.
func (f *flawed) enter(ctx context.Context, operation, key string) (*entry, error) {
	if err := ctx.Err(); err != nil && !f.is(operation+" ignores an ended context") && !f.is(operation+" takes the key and then looks at the context") {
		return nil, err
	}
	switch {
	case f.is("keys are compared without case"):
		key = strings.ToLower(key)
	case f.is("keys end at a NUL byte"):
		key, _, _ = strings.Cut(key, "\x00")
	case f.is("keys with the same hash tag are one"):
		if _, tag, ok := strings.Cut(key, "{"); ok && strings.Contains(tag, "}") {
			key, _, _ = strings.Cut(tag, "}")
		}
	case f.is("long keys are refused") && len(key) > 255:
		return nil, errStore
	}
	f.mu.Lock()
	if f.keys == nil {
		f.keys = map[string]*entry{}
	}
	e := f.keys[key]
	if e == nil {
		e = &entry{gone: map[acquisition]*release{}}
		f.keys[key] = e
	}
	f.expire(e)
	return e, nil
}

func (f *flawed) expire(e *entry) {
	now := time.Now()
	if !now.Before(e.ends) {
		e.holder = ""
	}
	for a, r := range e.gone {
		if !now.Before(r.until) {
			delete(e.gone, a)
		}
	}
}

// lookFirst lets other operations in between.
func (f *flawed) lookFirst(e *entry, flaw string) {
	if f.is(flaw) {
		f.mu.Unlock()
		time.Sleep(time.Duration(1+f.calls.Add(1)%4) * time.Millisecond)
		f.mu.Lock()
		f.expire(e)
	}
}

func (f *flawed) lease(ttl time.Duration) time.Time {
	switch {
	case f.is("the TTL is ignored"):
		ttl = 10 * long
	case f.is("leases end late"):
		ttl += ttl / 2
	case f.is("leases end early"):
		ttl -= ttl / 4
	}
	return time.Now().Add(ttl)
}

// give makes a claimant the holder.
func (f *flawed) give(e *entry, c backing.Claim) backing.Grant {
	if f.token++; !f.is("tokens are counted") {
		f.token = max(f.token, uint64(time.Now().UnixMicro()))
	}
	e.holder, e.attempt, e.token, e.ends, e.kept = c.Holder, c.Attempt, f.token, f.lease(c.TTL), 0
	e.leave(c.Holder)
	return backing.Grant{Token: f.tokenOf(c, f.token)}
}

func (f *flawed) tokenOf(c backing.Claim, token uint64) uint64 {
	switch {
	case f.is("it does not fence"): // which is right
		return 0
	case f.is("each answer has a new token"): // and so is this
		return token + uint64(f.calls.Add(1))
	case f.is("tokens repeat"):
		return 7
	case f.is("tokens fall"):
		return -token
	case f.is("tokens belong to holders"):
		return uint64(c.Holder[0])
	case f.is("tokens are lost for a while") && c.Holder[0] == 'b':
		return 0
	}
	return token
}

func (f *flawed) resume(e *entry, c backing.Claim) backing.Grant {
	e.attempt, e.ends = c.Attempt, f.lease(c.TTL)
	return backing.Grant{Token: f.tokenOf(c, e.token), Resumed: true}
}

func (e *entry) place(holder string) int {
	for i, w := range e.queue {
		if w.Holder == holder {
			return i
		}
	}
	return -1
}

func (e *entry) leave(holder string) {
	if i := e.place(holder); i >= 0 {
		e.queue = append(e.queue[:i:i], e.queue[i+1:]...)
	}
}

func (f *flawed) join(e *entry, w backing.Waiter) backing.Outcome {
	if f.is("one who asks again goes to the end") {
		e.leave(w.Holder)
	}
	if f.is("the queue cuts holders at a NUL byte") {
		w.Holder, _, _ = strings.Cut(w.Holder, "\x00")
	}
	switch i := e.place(w.Holder); {
	case i >= 0:
		e.queue[i] = w
	case f.is("last come, first served"):
		e.queue = append([]backing.Waiter{w}, e.queue...)
	default:
		e.queue = append(e.queue, w)
	}
	switch {
	case f.is("those who wait are to ask again at once"):
		return backing.Queued{}
	case f.is("those who wait are refused"):
		return backing.Refused{}
	case f.is("Enqueue answers nothing"):
		return nil
	case f.is("those who cannot be woken are queued all the same"):
		return backing.MustPoll{Why: errStore}
	}
	ask := w.TTL
	if e.holder != "" {
		ask = min(ask, time.Until(e.ends))
	}
	if f.is("nobody is woken, and all ask every second") {
		ask = min(ask, time.Second)
	}
	return backing.Queued{AskAgain: max(ask, time.Millisecond)}
}

// serve gives a free key to the first in the queue, and returns how to wake it.
func (f *flawed) serve(e *entry) (wake func()) {
	if e.holder != "" || len(e.queue) == 0 || f.is("Release forgets those who wait") {
		return func() {}
	}
	first := e.queue[0]
	f.give(e, first.Claim)
	e.kept = first.TTL
	switch {
	case f.is("nobody is woken"), f.is("nobody is woken, and all ask every second"):
		return func() {}
	case f.is("the key is not there for the one that is woken"):
		e.holder = ""
	case f.is("the key is kept for longer than its claimant wanted"):
		e.ends = time.Now().Add(long)
	}
	return first.Wake
}

// letGo frees the key, and remembers the release.
func (f *flawed) letGo(e *entry, a, next acquisition) {
	r := &release{time.Now().Add(backing.ReleaseMemory), true, next}
	e.gone[a] = r
	if e.attempt != a.attempt {
		e.gone[acquisition{a.holder, e.attempt}] = r
	}
	e.holder = ""
}

func (f *flawed) isGone(e *entry, c backing.Claim) bool {
	r := e.gone[acquisition{c.Holder, c.Attempt}]
	switch {
	case f.is("late requests are not refused"):
		return false
	case f.is("late requests are refused only if the release found something") && r != nil:
		return r.freed
	case f.is("a release is remembered of every attempt of its holder"):
		for a := range e.gone {
			if a.holder == c.Holder {
				return true
			}
		}
	}
	return r != nil
}
