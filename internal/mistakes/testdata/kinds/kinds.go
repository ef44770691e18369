// Package kinds switches over the kind of an error.
package kinds

import "github.com/effectlock/effectlock/mutex"

// Incomplete forgets mutex.KindStore.
func Incomplete(err error) string {
	switch mutex.KindOf(err) { // want exhaustive
	case mutex.KindNone:
		return "done"
	case mutex.KindLost:
		return "lost"
	case mutex.KindNotAcquired, mutex.KindCanceled:
		return "not started"
	case mutex.KindOther:
	}
	return "failed"
}

// Complete has all kinds.
func Complete(err error) string {
	switch mutex.KindOf(err) {
	case mutex.KindNone:
		return "done"
	case mutex.KindLost:
		return "lost"
	case mutex.KindNotAcquired, mutex.KindCanceled:
		return "not started"
	case mutex.KindStore, mutex.KindOther:
	}
	return "failed"
}
