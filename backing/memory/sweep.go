package memory

import "time"

// Below this size a sweep would save too little to be worth its time.
const minSweep = 1024

// sweep makes room before something is added: when the store has grown to twice the size
// that the previous sweep left, it drops what has expired. A sweep looks at everything, but
// so rarely that it adds a constant to each grant.
//
// A goroutine with a ticker would need a Close; a heap by expiry would cost every refresh a
// logarithm.
func (b *Backing) sweep(now time.Duration) {
	size := len(b.leases) + len(b.released)
	if size < b.sweepAt {
		return
	}
	leases, released := b.alive(now)
	// Deleting in place would keep the maps at their greatest size forever. Moving what is
	// alive pays only if that is the smaller part.
	if leases+released <= size/2 {
		b.leases = moved(b.leases, leases, func(l lease) bool { return l.matters(now) })
		b.released = moved(b.released, released, func(r release) bool { return now < r.until })
		size = leases + released
	}
	b.sweepAt = max(minSweep, 2*size)
}

func (b *Backing) alive(now time.Duration) (leases, released int) {
	for _, held := range b.leases {
		if held.matters(now) {
			leases++
		}
	}
	for _, r := range b.released {
		if now < r.until {
			released++
		}
	}
	return leases, released
}

// matters reports whether the lease runs, or somebody waits behind it.
func (l lease) matters(now time.Duration) bool { return now < l.expires || l.queue != nil }

func moved[K comparable, V any](from map[K]V, size int, alive func(V) bool) map[K]V {
	to := make(map[K]V, size)
	for k, v := range from {
		if alive(v) {
			to[k] = v
		}
	}
	return to
}
