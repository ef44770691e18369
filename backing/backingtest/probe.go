package backingtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

const (
	// long is a lease that ends in no case, however slow the store is.
	long = time.Hour
	// patience is how long one operation may take on the slowest machine.
	patience = 20 * time.Second
)

// A reporter is the part of *testing.T that cases may use. It is an interface
// so that the kit's own tests can watch a case fail.
type reporter interface {
	Helper()
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// A probe asks one backing and remembers what it answered.
type probe struct {
	reporter
	store backing.Backing
	kit
	unique  string // part of every key
	instead *rule  // what any failure breaks, if set
	calls   []call
	going   context.Context // ends when another probe of the same team has failed
	crowd   *crowd          // of the cases that wait
	freed   *sync.Map       // time.Time of the first release, by key and holder

	passer   backing.Passer // nil if not offered, and so on
	queue    backing.Queue
	batcher  backing.Batcher
	releaser backing.Releaser

	faults *Faults // nil if nothing is to go wrong
}

func newProbe(r reporter, store backing.Backing, k kit) *probe {
	p := &probe{
		reporter: r,
		store:    store,
		kit:      k,
		unique:   strconv.FormatUint(rand.Uint64(), 36),
		going:    context.Background(),
		freed:    new(sync.Map),
	}
	abilities := backing.AbilitiesOf(store)
	p.passer, p.queue = abilities.Passer, abilities.Queue
	p.batcher, p.releaser = abilities.Batcher, abilities.Releaser
	return p
}

// key returns the same key whenever a case names it, and one that no other case or run has
// used.
func (p *probe) key(name string) string { return name + "-" + p.unique }

// blaming returns a probe that reports every failure as a breach of r: for steps that
// succeeded before, and now fail for one special string.
func (p *probe) blaming(r rule) *probe {
	q := *p
	q.instead = &r
	return &q
}

// breaks ends the case.
func (p *probe) breaks(r rule, format string, args ...any) {
	p.Helper()
	if p.instead != nil {
		r = *p.instead
	}
	var b strings.Builder
	fmt.Fprintf(&b, "contract: \"%s\"\n  %s\n  after these calls:", r, fmt.Sprintf(format, args...))
	for _, c := range p.calls {
		b.WriteString("\n    ")
		fmt.Fprintf(&b, c.format, c.args...)
	}
	p.Fatalf("%s", b.String())
}

// A call is an operation and its answer, formatted only if the case fails.
type call struct {
	format string
	args   []any
}

// note keeps only the last calls: a case that makes thousands repeats the same few.
func (p *probe) note(format string, args ...any) {
	const most = 12
	if len(p.calls) == most {
		p.calls = slices.Delete(p.calls, 0, 1)
	}
	p.calls = append(p.calls, call{format, args})
}

// ask gives an operation its context, and fails the case if the operation fails. Where
// there are faults it asks again, as the mutex does: a broken connection may show only when
// it is used.
func (p *probe) ask(operation func(context.Context) error) {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := operation(ctx)
	for p.faults != nil && err != nil && ctx.Err() == nil {
		time.Sleep(p.ttl / 30)
		err = operation(ctx)
	}
	if err != nil {
		p.breaks(errorMeans, "got the error: %v", err)
	}
}

func (p *probe) try(key, holder string, ttl time.Duration) (g backing.Grant, ok bool) {
	p.Helper()
	return p.tryClaim(backing.Claim{Key: key, Holder: holder, TTL: ttl})
}

func (p *probe) tryClaim(c backing.Claim) (g backing.Grant, ok bool) {
	p.Helper()
	p.ask(func(ctx context.Context) error {
		p.Helper()
		start := time.Now()
		o, err := p.store.TryAcquire(ctx, c)
		g, ok = option.Unwrap(o)
		p.note("TryAcquire(%s) = %s, %v", claim(c), maybe{grant(g), ok}, err)
		if took := time.Since(start); took >= patience && (err == nil || errors.Is(err, context.DeadlineExceeded)) {
			p.breaks(neverWaits, "TryAcquire took %v", took)
		}
		return err
	})
	return g, ok
}

func (p *probe) refresh(key, holder string, ttl time.Duration) (ok bool) {
	p.Helper()
	return p.refreshClaim(backing.Claim{Key: key, Holder: holder, TTL: ttl})
}

func (p *probe) refreshClaim(c backing.Claim) (ok bool) {
	p.Helper()
	p.ask(func(ctx context.Context) (err error) {
		ok, err = p.store.Refresh(ctx, c)
		p.note("Refresh(%s) = %t, %v", claim(c), ok, err)
		return err
	})
	return ok
}

func (p *probe) release(key, holder string) (ok bool) {
	p.Helper()
	p.freed.LoadOrStore([2]string{key, holder}, time.Now())
	p.ask(func(ctx context.Context) (err error) {
		ok, err = p.store.Release(ctx, key, holder)
		p.note("Release(%s, %s) = %t, %v", quote(key), quote(holder), ok, err)
		return err
	})
	return ok
}

func (p *probe) locked(key string) (ok bool) {
	p.Helper()
	p.ask(func(ctx context.Context) (err error) {
		ok, err = p.store.IsLocked(ctx, key)
		p.note("IsLocked(%s) = %t, %v", quote(key), ok, err)
		return err
	})
	return ok
}

func (p *probe) holder(key string) (holder string, ok bool) {
	p.Helper()
	p.ask(func(ctx context.Context) error {
		o, err := p.store.GetHolder(ctx, key)
		holder, ok = option.Unwrap(o)
		p.note("GetHolder(%s) = %s, %v", quote(key), maybe{quote(holder), ok}, err)
		return err
	})
	return holder, ok
}
