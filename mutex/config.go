package mutex

import (
	"fmt"
	"reflect"
	"time"

	"github.com/effectlock/effectlock/backing"
	leases "github.com/effectlock/effectlock/internal/lease"
	"github.com/effectlock/effectlock/schedule"
)

// Config says how a mutex holds and waits. The zero value is ready to use.
type Config struct {
	// TTL is how long the lease runs after the last refresh: the time after
	// which others get the lock of a holder that crashed. Default 30 s; at least
	// 1 ms and at most a year, rounded up to whole milliseconds.
	TTL time.Duration

	// RefreshInterval is the time between two refreshes of a held lease.
	// Default TTL/3; shorter than the TTL less 1 % and 1 ms. One request to the store
	// is given up, and perhaps repeated, after (TTL-RefreshInterval)/2, at most 2 s.
	RefreshInterval time.Duration

	// AcquireRetryInterval is how often a waiter polls a store that cannot wake
	// it. It counts only if there is no AcquireRetryPolicy. Default 100 ms.
	AcquireRetryInterval time.Duration

	// AcquireRetryPolicy says when a waiter tries again; when it ends, the
	// waiter fails with a *LockNotAcquiredError. Of the waiters of one process only
	// the first in line asks the store, for all of them, and only while the lock is
	// with another process. A waiter that the store wakes when it should ask does
	// not poll: for it the policy says only when to give up. Delays under 1 ms count
	// as 1 ms. Default: Spaced(AcquireRetryInterval), for ever.
	AcquireRetryPolicy schedule.Schedule

	// BackingFailureRetryPolicy says when a request that the store failed to
	// answer is sent again; when it ends, the operation fails with a
	// *MutexBackingError. A held lease is not lost by that: its refresh starts
	// over, and never waits for more than half of what is left of the lease. Delays
	// under 1 ms count as 1 ms. With the default an acquire on a store that
	// is down takes one TTL to fail, unless its context ends before.
	// When a refresh or a clean-up fails, the functions of the policy run on a goroutine of
	// that lock. If they are slow, they delay the next refresh of that lock and of no other.
	// A panic there ends the process.
	// Default: Spaced(100 ms), or TTL/10 if that is less, for at most one TTL.
	BackingFailureRetryPolicy schedule.Schedule

	// HolderID identifies the holder in the store. Default: a random id for
	// each acquisition, which is nearly always right. All acquisitions under
	// one id are the same holder: the lock does not keep them from each other,
	// and the release of one releases all. So may the clean-up of an acquisition that
	// failed while another was under way, on Redis for up to a minute after its
	// connection broke. A new acquisition ends the clean-ups of earlier ones, and begins
	// them again if it fails. A fixed id is for a job that resumes, after a crash, the
	// lease that it still has.
	HolderID string

	// Observer is called with what happens. Default: none. See LogObserver.
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
	if s.observer == nil {
		s.observer = func(Event) {}
	}
	return s, nil
}

// noFlood keeps a policy without delays from flooding the store.
func noFlood(delay time.Duration) time.Duration { return max(delay, time.Millisecond) }

// check refuses a backing or a key of which no mutex can be made.
func check(b backing.Backing, key string) error {
	if v := reflect.ValueOf(b); b == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		return &ConfigError{"backing", b, "a store, such as memory.New()"}
	}
	// The waiters of a process find their queue by its backing and key.
	if !reflect.ValueOf(b).Comparable() {
		return &ConfigError{"backing", fmt.Sprintf("%T", b), "a type that == can compare, such as a pointer"}
	}
	if c, ok := b.(interface{ Check() error }); ok { // such as backing.Funcs, which may lack an operation
		if err := c.Check(); err != nil {
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
