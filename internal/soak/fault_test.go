package soak_test

import (
	"fmt"
	"slices"
	"time"
)

// fault is something that was broken for a while.
type fault struct {
	Kind  string
	Place int // of the process, everywhere if it is the server's
	span
	begun   instant // it has taken effect
	Process string
	Key     uint16 // of a lock that was deleted
	Holder  uint64 // that had it, or for which it was reserved
	Token   uint64 // the last of all that the server had given before
}

const everywhere = -1

func (f fault) String() string {
	where := "server"
	if f.Place != everywhere {
		where = "process " + f.Process
	}
	if f.Token != 0 {
		where = fmt.Sprintf("%s token %d", lockOf(f.Key), f.Token)
	}
	return fmt.Sprintf("%.3f %v %s: %s", float64(f.from)/1e9, f.until.since(f.from).Round(time.Millisecond), where, f.Kind)
}

// deck deals the faults in random order, each as often as the others.
type deck struct{ left []int }

// deal draws the first that can be had now. The others keep their places.
func (d *deck) deal(n int, shuffle func(n int, swap func(i, j int)), possible func(int) bool) (int, bool) {
	for fresh := range 2 {
		if at := slices.IndexFunc(d.left, possible); at >= 0 {
			drawn := d.left[at]
			d.left = slices.Delete(d.left, at, at+1)
			return drawn, true
		}
		if fresh == 0 && len(d.left) < n {
			more := make([]int, n)
			for i := range more {
				more[i] = i
			}
			shuffle(n, func(i, j int) { more[i], more[j] = more[j], more[i] })
			d.left = append(d.left, more...)
		}
	}
	return 0, false
}
