package main

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

// Records is a backing that keeps a record for each key. In a database, the record would be a
// row: transact would select it FOR UPDATE, write it back, and use the database's clock.
type Records struct{ byKey sync.Map } // *record; it never shrinks

type record struct {
	mu       sync.Mutex
	holder   string               // "" if the key is free
	token    uint64               // of the last grant
	until    time.Time            // when the holder's lease ends
	released map[string]time.Time // when to forget the release, by holder
}

func (s *Records) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	return transact(ctx, s, c.Key, func(r *record, now time.Time) option.Option[backing.Grant] {
		resumed := r.holder == c.Holder
		if r.holder != "" && !resumed {
			return option.None[backing.Grant]()
		}
		if !resumed { // the clock keeps tokens rising after a restart
			r.holder, r.token = c.Holder, max(r.token+1, uint64(now.UnixMicro()))
		}
		r.until = now.Add(c.TTL)
		return option.Some(backing.Grant{Token: r.token, Resumed: resumed})
	})
}

func (s *Records) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	return transact(ctx, s, c.Key, func(r *record, now time.Time) bool {
		if r.holder == c.Holder {
			r.until = now.Add(c.TTL)
		}
		return r.holder == c.Holder
	})
}

func (s *Records) Release(ctx context.Context, key, holder string) (bool, error) {
	return transact(ctx, s, key, func(r *record, now time.Time) bool {
		if r.holder == holder {
			r.holder, r.released[holder] = "", now.Add(backing.ReleaseMemory)
		}
		return !r.released[holder].IsZero() // true for a repeated release, too
	})
}

func (s *Records) IsLocked(ctx context.Context, key string) (bool, error) {
	return transact(ctx, s, key, func(r *record, _ time.Time) bool { return r.holder != "" })
}

func (s *Records) GetHolder(ctx context.Context, key string) (option.Option[string], error) {
	return transact(ctx, s, key, func(r *record, _ time.Time) option.Option[string] { return option.FromNonZero[string]()(r.holder) })
}

// transact runs one operation at a time on the record of a key, after removing what has expired.
func transact[A any](ctx context.Context, s *Records, key string, operation func(*record, time.Time) A) (none A, err error) {
	if ctx.Err() != nil {
		return none, ctx.Err()
	}
	found, _ := s.byKey.LoadOrStore(key, &record{released: map[string]time.Time{}})
	r := found.(*record)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(r.released, func(_ string, end time.Time) bool { return !now.Before(end) })
	if !now.Before(r.until) {
		r.holder = ""
	}
	return operation(r, now), nil
}
