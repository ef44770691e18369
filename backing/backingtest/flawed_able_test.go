package backingtest

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

// A full store has all abilities.
type full interface {
	backing.Backing
	backing.Passer
	backing.Queue
	backing.Batcher
	backing.Releaser
}

// allOf is the list that Abilities of a full store returns.
func allOf(f full) backing.Abilities {
	return backing.Abilities{Of: f, Queue: f, Passer: f, Batcher: f, Releaser: f}
}

// fiveOperations is the beginning of the names of mistakes that need only the five
// operations.
var fiveOperations = regexp.MustCompile(`^(TryAcquire [^s]|tokens|the TTL|leases|Refresh |Release [^f]|a second Release|IsLocked|GetHolder|keys|long|holders|the store)`)

func (f *flawed) Abilities() backing.Abilities {
	all := allOf(f)
	switch {
	case fiveOperations.MatchString(f.flaw):
		return backing.Abilities{}
	case f.is("abilities come and go") && f.calls.Add(1)%3 == 0:
		all.Batcher = nil
	case strings.HasPrefix(f.flaw, "a store without a queue"):
		all.Queue = nil
	}
	return all
}

func (f *flawed) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	e, err := f.enter(ctx, "Enqueue", w.Key)
	if err != nil {
		return nil, err
	}
	wake := func() {}
	defer func() { f.mu.Unlock(); wake() }()
	if f.is("Enqueue evicts the holder") && e.holder != w.Holder {
		e.holder = ""
	}
	switch {
	case f.isGone(e, w.Claim) && f.is("those who have left must poll"):
		return backing.MustPoll{}, nil
	case f.isGone(e, w.Claim):
		return backing.Refused{}, nil
	case e.holder == w.Holder && f.is("Enqueue forgets its holder"), f.is("Enqueue only ever queues") && e.holder == "" && len(e.queue) == 0:
		return backing.Queued{AskAgain: stall}, nil
	case e.holder == w.Holder:
		if f.is("one that was woken has no longer lease than the key was kept") && e.kept > 0 {
			w.TTL = e.kept
		}
		g := f.resume(e, w.Claim)
		if f.is("Enqueue gives its holder a lower token") {
			g.Token--
		}
		g.Resumed = !f.is("the key that was kept is granted as if it had been free") || e.kept == 0
		return backing.Granted{Grant: g}, nil
	case e.holder != "":
		return f.join(e, w), nil
	case len(e.queue) == 0, e.queue[0].Holder == w.Holder, f.is("a free key goes to whoever asks"):
		return backing.Granted{Grant: f.give(e, w.Claim)}, nil
	}
	o := f.join(e, w)
	if !f.is("a free key stays free while somebody waits") {
		wake = f.serve(e)
	}
	return o, nil
}

func (f *flawed) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	e, err := f.enter(ctx, "Pass", next.Key)
	if err != nil {
		return nil, err
	}
	wake := func() {}
	defer func() { f.mu.Unlock(); wake() }()
	a, b := acquisition{from.Holder, from.Attempt}, acquisition{next.Holder, next.Attempt}
	before := e.gone[a]
	free := e.holder == ""
	switch again := before != nil && before.next == b; {
	case again && f.is("a second Pass is refused"), again && free && f.is("a second Pass is refused when the claimant has let go"):
		return backing.Refused{}, nil
	case again && free && f.is("a second Pass is a grant when the claimant has let go"):
		return backing.Granted{}, nil
	case again && f.isGone(e, next.Claim):
		return backing.MustPoll{}, nil
	case again && e.holder == next.Holder:
		return f.passed(f.resume(e, next.Claim)), nil
	case again && e.place(next.Holder) >= 0:
		return f.join(e, next), nil
	case again:
		return backing.MustPoll{}, nil
	case before != nil && f.is("Pass takes it for a repeat that the holder was released"):
		return backing.MustPoll{}, nil
	case e.holder == next.Holder && from.Holder != next.Holder && f.is("Pass takes it for a repeat that the claimant has the key"):
		return backing.Granted{Grant: f.resume(e, next.Claim)}, nil
	case !free && e.holder != next.Holder && f.is("Pass takes the key from anybody"):
		a = acquisition{e.holder, e.attempt}
	case free && f.is("Pass takes a free key"):
		f.give(e, next.Claim)
		return backing.Refused{}, nil
	case before != nil || e.holder != from.Holder:
		return backing.Refused{}, nil
	}
	return f.pass(e, a, next, yield, &wake), nil
}

// pass is the Pass of a holder that has the key.
func (f *flawed) pass(e *entry, a acquisition, next backing.Waiter, yield bool, wake *func()) backing.Outcome {
	late := f.isGone(e, next.Claim) && !f.is("Pass gives the key to one that has left")
	if late && f.is("Pass to one that has left is refused") || yield && f.is("a store without a queue does not let go of a key to yield") {
		return backing.Refused{}
	}
	ends := e.ends
	f.letGo(e, a, acquisition{next.Holder, next.Attempt})
	f.lookFirst(e, "Pass lets others in between")
	yield = yield && !f.is("Pass never yields") || f.is("Pass always yields")
	queueless := strings.HasPrefix(f.flaw, "a store without a queue") && !f.is("a store without a queue passes a key though it should yield")
	switch {
	case e.holder != "", yield && queueless:
		return backing.MustPoll{}
	case late:
		*wake = f.serve(e)
		return backing.MustPoll{}
	case yield && len(e.queue) > 0 && e.queue[0].Holder != next.Holder:
		o := f.join(e, next)
		if f.is("one that yields is not in line") {
			e.leave(next.Holder)
		}
		*wake = f.serve(e)
		return o
	}
	g := f.give(e, next.Claim)
	switch {
	case f.is("Pass leaves the lease as it was"):
		e.ends = ends
	case f.is("Pass is refused"):
		return backing.Refused{}
	case f.is("Pass answers no grant"):
		return backing.MustPoll{}
	case f.is("Pass answers nothing"):
		return nil
	}
	return f.passed(g)
}

// passed is a grant by Pass, whether the first time or again.
func (f *flawed) passed(g backing.Grant) backing.Outcome {
	switch {
	case f.is("Pass says that the grant is an old one"):
		g.Resumed = true
	case f.is("Pass hands the old token on"):
		g.Token = 7
	case f.is("a second Pass gives a lower token") && g.Resumed:
		g.Token--
	}
	return backing.Granted{Grant: g}
}

func (f *flawed) RefreshAll(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
	if f.is("RefreshAll ignores an ended context") {
		ctx = context.WithoutCancel(ctx)
	}
	all := make([]backing.Refreshed, len(claims))
	for i, c := range claims {
		if f.is("RefreshAll only looks") {
			holder, err := f.GetHolder(ctx, c.Key)
			all[i] = backing.Refreshed{Held: holder == option.Some(c.Holder), Err: err}
			continue
		}
		all[i].Held, all[i].Err = f.Refresh(ctx, c)
		switch {
		case f.is("RefreshAll stops at the first that has no key") && !all[i].Held && all[i].Err == nil:
			return all
		case f.is("RefreshAll creates keys"):
			_, _ = f.TryAcquire(ctx, c)
		}
	}
	switch {
	case f.is("RefreshAll answers in another order"):
		slices.Reverse(all)
	case f.is("RefreshAll answers only who has the key"):
		all = slices.DeleteFunc(all, func(r backing.Refreshed) bool { return !r.Held && r.Err == nil })
	}
	return all
}
