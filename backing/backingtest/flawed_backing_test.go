package backingtest

import (
	"context"
	"strings"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

func (f *flawed) TryAcquire(ctx context.Context, c backing.Claim) (none grantOption, err error) {
	f.waitForFree(ctx, c)
	e, err := f.enter(ctx, "TryAcquire", c.Key)
	if err != nil {
		return none, err
	}
	defer f.mu.Unlock()
	switch {
	case f.is("TryAcquire evicts a lease shorter than its own") && c.TTL == long && time.Until(e.ends) < long/2,
		f.is("holders are compared by prefix") && strings.HasPrefix(e.holder, c.Holder) && e.holder != "":
		e.holder = strings.Repeat(c.Holder, min(1, len(e.holder)))
	case f.is("a refused TryAcquire sets its own TTL") && e.holder != c.Holder:
		e.ends = f.lease(c.TTL)
	}
	switch {
	case f.isGone(e, c):
		return none, nil
	case f.is("TryAcquire stands in line") && e.holder == "" && len(e.queue) > 0:
		return none, nil
	case e.holder == "":
		f.lookFirst(e, "TryAcquire looks first and takes then")
		if f.is("the store keeps a thousand leases") && f.calls.Add(1) > 1000 {
			return option.Some(backing.Grant{}), nil
		}
		g := f.give(e, c)
		g.Resumed = f.is("TryAcquire takes every grant for an old one")
		if err := ctx.Err(); err != nil && f.is("TryAcquire takes the key and then looks at the context") {
			return none, err
		}
		return option.Some(g), nil
	case e.holder != c.Holder && f.is("TryAcquire reports a held key as an error"):
		return none, errStore
	case e.holder != c.Holder,
		f.is("TryAcquire forgets its holder"),
		f.is("TryAcquire takes another attempt for another holder") && e.attempt != c.Attempt:
		return none, nil
	}
	ends := e.ends
	g := f.resume(e, c)
	switch {
	case f.is("TryAcquire takes every grant for a new one"):
		g.Resumed = false
	case f.is("TryAcquire gives its holder a lower token"):
		g.Token--
	case f.is("TryAcquire by the holder does not extend the lease"):
		e.ends = ends
	}
	return option.Some(g), nil
}

func (f *flawed) waitForFree(ctx context.Context, c backing.Claim) {
	for f.is("TryAcquire waits") && ctx.Err() == nil {
		e, _ := f.enter(ctx, "", c.Key)
		free := e.holder == "" || e.holder == c.Holder || f.isGone(e, c)
		f.mu.Unlock()
		if free {
			return
		}
		time.Sleep(time.Second)
	}
}

func (f *flawed) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	e, err := f.enter(ctx, "Refresh", c.Key)
	if err != nil {
		return false, err
	}
	defer f.mu.Unlock()
	switch has := e.holder == c.Holder && !f.isGone(e, c); {
	case f.is("Refresh does nothing"):
		return has, nil
	case f.is("Refresh answers false"):
		f.refresh(e, c, has)
		return false, nil
	case f.is("Refresh never makes a lease shorter") && has && time.Until(e.ends) > c.TTL:
		return true, nil
	case f.is("Refresh by another holder sets the TTL") && !has:
		e.ends = f.lease(c.TTL)
		return false, nil
	case f.is("Refresh asks whether there is a key, not whose"):
		f.refresh(e, c, has)
		return e.holder != "", nil
	case f.is("Refresh creates the key again") && e.holder == "":
		f.give(e, c)
		return true, nil
	case f.is("Refresh remembers whom it refused") && !has && e.holder != "":
		e.gone[acquisition{c.Holder, ""}] = &release{time.Now().Add(long), true, acquisition{}}
		return false, nil
	case has:
		f.lookFirst(e, "Refresh looks first and writes then")
		e.holder = c.Holder
		return f.refresh(e, c, true), nil
	}
	return false, nil
}

func (f *flawed) refresh(e *entry, c backing.Claim, has bool) bool {
	if has {
		f.resume(e, c)
	}
	return has
}

func (f *flawed) Release(ctx context.Context, key, holder string) (bool, error) {
	found, err := f.release(ctx, "Release", backing.Claim{Key: key, Holder: holder})
	switch {
	case err != nil:
		return false, err
	case f.is("Release always answers true"):
		return true, nil
	case f.is("Release answers false"):
		return found == backing.FreedEarlier, nil
	case f.is("a second Release answers false"):
		return found == backing.FreedNow, nil
	}
	return found != backing.NotHeld, nil
}

func (f *flawed) ReleaseClaim(ctx context.Context, c backing.Claim) (backing.Released, error) {
	found, err := f.release(ctx, "ReleaseClaim", c)
	switch {
	case err != nil:
		return backing.NotHeld, err
	case f.is("ReleaseClaim reports the opposite of what it found"):
		return backing.FreedNow - found, nil
	case f.is("ReleaseClaim reports that everything was freed now"):
		return backing.FreedNow, nil
	case f.is("ReleaseClaim does not know what was freed earlier") && found == backing.FreedEarlier:
		return backing.NotHeld, nil
	}
	return found, nil
}

func (f *flawed) release(ctx context.Context, operation string, c backing.Claim) (backing.Released, error) {
	e, err := f.enter(ctx, operation, c.Key)
	if err != nil {
		return backing.NotHeld, err
	}
	wake := func() {}
	defer func() { f.mu.Unlock(); wake() }()
	a := acquisition{c.Holder, c.Attempt}
	before := e.gone[a]
	switch {
	case f.is("Release ignores the holder") && e.holder != "",
		f.is("holders are compared by prefix") && strings.HasPrefix(e.holder, c.Holder):
		e.holder = c.Holder
	case f.is("a second Release frees the key of a holder in between") && before != nil && before.freed && e.holder != "",
		f.is("Release after expiry deletes the next holder's lease") && before == nil && e.holder != "" && e.place(c.Holder) < 0:
		e.holder = ""
	case f.is("Release frees nothing") && e.holder == c.Holder:
		return backing.FreedNow, nil
	}
	again := before != nil && c.Attempt != "" && !f.is("ReleaseClaim frees what a later acquisition has")
	switch {
	case e.holder == c.Holder && !again:
		f.lookFirst(e, "Release looks first and deletes then")
		f.letGo(e, a, acquisition{})
		wake = f.serve(e)
		return backing.FreedNow, nil
	case !again && !f.is("one that leaves stays in line"):
		e.leave(c.Holder)
	}
	if before == nil {
		before = &release{}
		e.gone[a] = before
	} else if f.is("ReleaseClaim takes it for a release that it was asked before") && operation == "ReleaseClaim" {
		return backing.FreedEarlier, nil
	}
	before.until = time.Now().Add(backing.ReleaseMemory)
	passed := before.next != acquisition{}
	if before.freed && (!passed || !f.is("one that has passed the key on has not released it")) {
		return backing.FreedEarlier, nil
	}
	return backing.NotHeld, nil
}

func (f *flawed) IsLocked(ctx context.Context, key string) (bool, error) {
	e, err := f.enter(ctx, "IsLocked", key)
	if err != nil {
		return false, err
	}
	defer f.mu.Unlock()
	switch {
	case f.is("IsLocked knows nothing"):
		return false, nil
	case f.is("IsLocked remembers the dead"):
		return e.token != 0, nil
	}
	return e.holder != "", nil
}

func (f *flawed) GetHolder(ctx context.Context, key string) (none holderOption, err error) {
	e, err := f.enter(ctx, "GetHolder", key)
	if err != nil && f.is("GetHolder hides the context's error") {
		return none, errStore
	}
	if err != nil {
		return none, err
	}
	defer f.mu.Unlock()
	switch {
	case e.holder == "", f.is("GetHolder knows nothing"):
		return none, nil
	case f.is("GetHolder trims its answer"):
		return option.Some(strings.TrimSpace(e.holder)), nil
	}
	return option.Some(e.holder), nil
}
