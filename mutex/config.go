package mutex

import (
	"fmt"
	"reflect"
	"time"

	"github.com/effectlock/effectlock/backing"
	leases "github.com/effectlock/effectlock/internal/lease"
	"github.com/effectlock/effectlock/schedule"
)

// Config says how a mutex holds its lock and waits for it. The zero value is ready to use.
type Config struct {
	// TTL is the length of a lease. If the holder crashes, others get the lock one TTL
	// after its last refresh. From 1 ms to a year, rounded up to whole milliseconds.
	// Default: 30 s.
	TTL time.Duration

	// RefreshInterval is the time between two refreshes of a held lease. It must be
	// shorter than the TTL less 1 % and 1 ms. It also bounds each request to the store: one
	// that takes longer than (TTL-RefreshInterval)/2, or 2 s, has failed.
	// Default: TTL/3.
	RefreshInterval time.Duration

	// AcquireTimeout bounds the wait for the lock, and not the work. When it is over, the
	// acquisition fails within 0.2 s: with a *MutexBackingError if the store does not answer,
	// and otherwise with a *LockNotAcquiredError. Default: no bound.
	AcquireTimeout time.Duration

	// AcquireRetryInterval is how often a waiter polls a store that cannot wake it. It has
	// no effect together with an AcquireRetryPolicy. Default: 100 ms.
	AcquireRetryInterval time.Duration

	// AcquireRetryPolicy says when a waiter polls the store again, and when it gives up:
	// when the policy ends, the waiter fails with a *LockNotAcquiredError. Where the store
	// wakes its waiters, as Redis does, they do not poll, and the policy only says when to
	// give up. Of the waiters of one process, only the first in line polls, for all of them.
	// Delays under 1 ms count as 1 ms. Default: Spaced(AcquireRetryInterval), without end.
	AcquireRetryPolicy schedule.Schedule

	// BackingFailureRetryPolicy says when a failed request to the store is sent again. When
	// the policy ends, the operation fails with a *MutexBackingError. With the default, an
	// acquisition on a store that is down fails after one TTL, unless its context ends
	// before.
	//
	// A lease is not lost when the policy ends during a refresh: the policy starts again,
	// and no delay is longer than half of the time that is left. Functions of the policy
	// then run on a goroutine of that lock. A slow one delays the refresh of that lock
	// alone; a panic ends the process.
	//
	// Delays under 1 ms count as 1 ms.
	// Default: Spaced(100 ms), or TTL/10 if that is less, for at most one TTL.
	BackingFailureRetryPolicy schedule.Schedule

	// HolderID identifies the holder in the store. The default, a random id for each
	// acquisition, is nearly always right. A fixed id is for a job that resumes its own
	// lease after a crash.
	//
	// All acquisitions under one id are the same holder. They do not exclude each other,
	// and the release of one releases them all. The clean-up of a failed acquisition may
	// also release one that was under way at the same time; on Redis, for up to a minute
	// after the connection of the failed one broke. A new acquisition ends the clean-ups of
	// earlier ones, and starts them again if it fails.
	HolderID string

	// Observer is called with each event of the lock. Default: none. LogObserver returns
	// one that writes a log.
	Observer Observer
}

const (
	defaultTTL           = 30 * time.Second
	maxTTL               = 365 * 24 * time.Hour
	defaultRetryInterval = 100 * time.Millisecond
	maxOperationTimeout  = 2 * time.Second
)

// settings is a Config with its defaults filled in.
type settings struct {
	ttl              time.Duration
	refreshInterval  time.Duration
	operationTimeout time.Duration // of one request
	acquireTimeout   time.Duration // 0 for no bound
	acquireRetry     schedule.Schedule
	patient          bool // acquireRetry never ends
	retryInterval    time.Duration
	failureRetry     schedule.Schedule
	holderID         string
	observer         Observer
}

func (c Config) resolve() (settings, error) {
	s := settings{
		ttl:             orDefault(c.TTL, defaultTTL),
		refreshInterval: c.RefreshInterval,
		acquireTimeout:  c.AcquireTimeout,
		acquireRetry:    c.AcquireRetryPolicy,
		failureRetry:    c.BackingFailureRetryPolicy,
		holderID:        c.HolderID,
		observer:        c.Observer,
	}
	if s.ttl < time.Millisecond || s.ttl > maxTTL {
		return s, &ConfigError{"TTL", c.TTL, fmt.Sprintf("a duration from 1ms to %v, or 0 for %v", maxTTL, defaultTTL)}
	}
	s.ttl = (s.ttl + time.Millisecond - 1).Truncate(time.Millisecond)

	s.refreshInterval = orDefault(c.RefreshInterval, s.ttl/3)
	if longest := leases.Validity(s.ttl); s.refreshInterval <= 0 || s.refreshInterval >= longest {
		return s, &ConfigError{"RefreshInterval", c.RefreshInterval, fmt.Sprintf("a positive duration shorter than %v, which is the TTL of %v less a margin, or 0 for a third of the TTL", longest, s.ttl)}
	}
	s.operationTimeout = min((s.ttl-s.refreshInterval)/2, maxOperationTimeout)

	if s.acquireTimeout < 0 {
		return s, &ConfigError{"AcquireTimeout", c.AcquireTimeout, "a positive duration, or 0 for no bound"}
	}
	retryInterval := orDefault(c.AcquireRetryInterval, defaultRetryInterval)
	if retryInterval < 0 {
		return s, &ConfigError{"AcquireRetryInterval", c.AcquireRetryInterval, fmt.Sprintf("a positive duration, or 0 for %v", defaultRetryInterval)}
	}
	s.retryInterval = retryInterval
	if s.patient = s.acquireRetry.IsZero(); s.patient {
		s.acquireRetry = schedule.Spaced(retryInterval)
	}
	if s.failureRetry.IsZero() {
		s.failureRetry = schedule.Spaced(min(100*time.Millisecond, s.ttl/10)).UpTo(s.ttl)
	}
	s.acquireRetry, s.failureRetry = s.acquireRetry.Delayed(noFlood), s.failureRetry.Delayed(noFlood)
	return s, nil
}

// noFlood keeps a policy without delays from flooding the store.
func noFlood(delay time.Duration) time.Duration { return max(delay, time.Millisecond) }

// check refuses a store or a key with which no mutex can work.
func check(b backing.Backing, key string) error {
	if v := reflect.ValueOf(b); b == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		return &ConfigError{"backing", b, "a store, such as memory.New()"}
	}
	// The waiters of a process find their queue by its backing and key.
	if !reflect.ValueOf(b).Comparable() {
		return &ConfigError{"backing", fmt.Sprintf("%T", b), "a type that == can compare, such as a pointer"}
	}
	if c, ok := b.(interface{ CheckComplete() error }); ok { // such as backing.Funcs, which may lack an operation
		if err := c.CheckComplete(); err != nil {
			return &ConfigError{"backing", fmt.Sprintf("%T", b), "a complete store: " + err.Error()}
		}
	}
	if key == "" {
		return &ConfigError{"key", key, "a name that is not empty"}
	}
	return nil
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}
