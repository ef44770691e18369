package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/effectlock/effectlock/mutex"
)

// span returns a duration in words that usually stay the same in the next run.
func span(d time.Duration) string {
	if d < 50*time.Millisecond {
		return "at once"
	}
	return "after " + seconds(d)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// overlap says how two holders of one lock overlap: until when the first worked, and
// from when on the second.
func overlap(first *holding, second *holding, limit time.Duration) string {
	switch {
	case !first.isTold(limit):
		return "**never cancelled, both work**"
	case first.told.Before(second.since):
		return "cancelled " + fmt.Sprintf("%.2f s", second.since.Sub(first.told).Seconds()) + " before the other"
	}
	return fmt.Sprintf("**overlap %.2f s**", first.told.Sub(second.since).Seconds())
}

// quote returns what a library reported to its user: an error, or nothing.
func quote(err error) string {
	if err == nil {
		return "says nothing"
	}
	if lost, ok := errors.AsType[*mutex.LockLostError](err); ok {
		return fmt.Sprintf("`LockLostError` (%s)", lost.Reason)
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	if len(text) > 60 {
		text = text[:60] + "…"
	}
	return "says “" + strings.ReplaceAll(text, "|", "\\|") + "”"
}
