package schedule

import (
	"math"
	"math/bits"
	"time"
)

// maxDuration is the longest duration, about 292 years, where growing delays stop.
const maxDuration time.Duration = math.MaxInt64

func atLeastZero(d time.Duration) time.Duration { return max(d, 0) }

// since is the time from then to now, 0 if the clock was set back.
func since(then, now time.Duration) time.Duration { return atLeastZero(now - then) }

// plus adds two durations, of which at most one is negative.
func plus(a, b time.Duration) time.Duration {
	if a > 0 && b > maxDuration-a {
		return maxDuration
	}
	return a + b
}

// times multiplies a duration that is not negative by k.
func times(d time.Duration, k uint64) time.Duration {
	hi, lo := bits.Mul64(uint64(d), k)
	if hi != 0 || lo > math.MaxInt64 {
		return maxDuration
	}
	return time.Duration(lo)
}

// scaled multiplies a duration that is not negative by f, to the nearest
// nanosecond. As in Effect, a product that is negative or not a number is 0.
func scaled(d time.Duration, f float64) time.Duration {
	// A float64 holds only 53 bits: whole factors, which are the usual ones,
	// are multiplied exactly.
	if f >= 0 && f < math.MaxUint64 && f == math.Trunc(f) {
		return times(d, uint64(f))
	}
	product := float64(d) * f
	switch {
	case product >= math.MaxInt64:
		return maxDuration
	case product > 0:
		return time.Duration(math.Round(product))
	default: // also NaN, which compares false to everything
		return 0
	}
}
