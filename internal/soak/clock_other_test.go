//go:build !linux

package soak_test

import "time"

// clock is the wall clock, for want of a monotonic one that the processes share:
// a run in which it is set may fail for that alone.
func clock() instant { return instant(time.Now().UnixNano()) }
