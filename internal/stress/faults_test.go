package stress_test

import (
	"errors"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/faulty"
)

var errFault = errors.New("injected")

// newProcess returns a process whose store has some of the abilities, and mostly all.
func newProcess(m *faulty.Memory, w *world) (s *faulty.Store, reports bool) {
	can := faulty.All
	switch w.n(6) {
	case 0:
		can = faulty.Batches
	case 1:
		can = faulty.Batches | faulty.Queues
	case 2:
		can = faulty.Passes
	}
	if reports = w.n(4) > 0; reports {
		can |= faulty.Reports
	} else {
		can &^= faulty.Reports
	}
	s = faulty.New(m, can)
	s.Set(w.fault)
	s.SetWaking(w.waking)
	s.Trace(func(r faulty.Request, answer any, err error) {
		w.note("%s %s to %s -> %v %v", r.Op, short(r.Claim.Holder), short(r.Next.Holder), answer, err)
	})
	return s, reports
}

// fault is what happens to a request.
func (w *world) fault(r faulty.Request) (f faulty.Fault) {
	if !w.faulty() {
		return f
	}
	const moment = 20 * time.Millisecond
	switch kind := w.n(20); {
	case r.Op == faulty.Enqueue && w.n(10) == 0:
		return faulty.Fault{Drop: true, Answer: backing.MustPoll{Why: errFault}}
	case kind < 10:
		f = faulty.Fault{There: w.dur(moment), Back: w.dur(moment)}
	case kind < 12:
		f = faulty.Fault{There: w.dur(moment)}
	case kind < 14:
		f = faulty.Fault{Drop: true, Err: errFault}
	case kind < 16:
		f = faulty.Fault{Err: errFault}
	case kind < 18: // slow in both directions
		most := 3 * time.Second
		if !w.lateness {
			most = 400 * time.Millisecond // a release should succeed in the end
		}
		f = faulty.Fault{There: w.dur(most), Back: w.dur(most)}
	case kind < 19 && w.lateness:
		f = faulty.Fault{There: w.dur(w.latest()), Late: true, Back: w.dur(time.Second), Err: errFault}
	}
	f.Yield = w.n(3) == 0 // more often than usual
	return f
}

// waking makes wake-ups late, doubles them, or loses them. Some also wake another waiter,
// which has left or to which the store gave nothing.
func (w *world) waking(string) (plan faulty.Waking) {
	if !w.faulty() {
		return faulty.Waking{After: []time.Duration{0}}
	}
	switch kind := w.n(10); {
	case kind < 4:
		plan.After = []time.Duration{0}
	case kind < 6:
		plan.After = []time.Duration{0, w.dur(10 * time.Second)}
	case kind < 9:
		plan.After = []time.Duration{w.dur(2500 * time.Millisecond)}
	}
	if w.n(3) == 0 {
		plan.Stray = []time.Duration{w.dur(time.Second)}
	}
	return plan
}

func short(s string) string { return s[:min(5, len(s))] }
