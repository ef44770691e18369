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
