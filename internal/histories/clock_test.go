package histories_test

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// instant is a reading of CLOCK_MONOTONIC in nanoseconds. It is the clock that
// time.Now reads too, but the time package never shows that reading, and prints it
// only as a difference to the beginning of the process; of wall clocks, which it does
// show, one may be set while the test runs. The zero instant stands for never.
type instant int64

func now() instant {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(fmt.Sprintf("CLOCK_MONOTONIC: %v", err))
	}
	return instant(ts.Nano())
}

func (i instant) add(d time.Duration) instant { return i + instant(d) }

func (i instant) since(earlier instant) time.Duration { return time.Duration(i - earlier) }

// anchor ties what time.Now returns to instants.
var anchor = func() (best struct {
	time time.Time
	at   instant
}) {
	narrowest := instant(1 << 62)
	for range 100 { // one may be interrupted between two readings
		before := now()
		t := time.Now()
		after := now()
		if after-before < narrowest {
			narrowest = after - before
			best.time, best.at = t, after
		}
	}
	return best
}()

// at is when time.Now returned t in this process, or a moment later.
func at(t time.Time) instant { return anchor.at.add(t.Sub(anchor.time)) }
