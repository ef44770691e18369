package soak_test

import (
	"syscall"
	"unsafe"
)

// clock is the system's monotonic clock, which all processes of a machine share;
// that of package time says how long ago the process was started.
func clock() instant {
	const monotonic = 1
	var now syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, monotonic, uintptr(unsafe.Pointer(&now)), 0); errno != 0 {
		panic(errno)
	}
	return instant(now.Nano())
}
