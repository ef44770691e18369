package contention_test

import (
	"time"

	"golang.org/x/sys/unix"
)

// clock reads the monotonic clock of the system, which all processes of a machine
// share; that of package time counts from the beginning of a process.
func clock() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic(err)
	}
	return time.Duration(now.Nano())
}
