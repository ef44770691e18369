package main

import (
	"fmt"
	"strconv"
	"time"
)

// The formats of figures. Times are in seconds, memory in bytes.

func whole(v float64) string {
	digits := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func tenth(v float64) string      { return strconv.FormatFloat(v, 'f', 1, 64) }
func hundredth(v float64) string  { return strconv.FormatFloat(v, 'f', 2, 64) }
func thousandth(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) }
func times(v float64) string      { return strconv.FormatFloat(v, 'f', 2, 64) + "×" }
func percent(v float64) string    { return tenth(100*v) + " %" }

// rate formats both an occasional request and thousands.
func rate(v float64) string {
	if v < 100 {
		return tenth(v)
	}
	return whole(v)
}

func seconds(v float64) string   { return thousandth(v) + " s" }
func mebibytes(v float64) string { return fmt.Sprintf("%.0f MiB", v/(1<<20)) }

func micros(v float64) string {
	return tenth(v*float64(time.Second/time.Microsecond)) + " µs"
}

func millis(v float64) string {
	return tenth(v*float64(time.Second/time.Millisecond)) + " ms"
}

// hundredthMicros formats a few microseconds.
func hundredthMicros(v float64) string {
	return hundredth(v*float64(time.Second/time.Microsecond)) + " µs"
}
