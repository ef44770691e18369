package histories_test

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// saboteur does harm to processes and to the server of the locks, one thing after
// the other, and writes down what and when. Its methods are for the goroutine of
// the test.
type saboteur struct {
	t      *testing.T
	crew   *crew
	server *redistest.Server
	direct *goredis.Client
	random *rand.Rand
	deck   []int
	frozen bool
	undo   []undoing // in no order
	faults []fault
	did    map[string]int
}

// undoing is the end of a fault that has begun.
type undoing struct {
	due instant
	end func()
}

// wait undoes what is due, for that time.
func (s *saboteur) wait(d time.Duration) {
	for end := now().add(d); ; {
		next := end
		for _, u := range s.undo {
			next = min(next, u.due)
		}
		if t := now(); t < next {
			time.Sleep(next.since(t))
		}
		s.repair(next)
		if next == end {
			return
		}
	}
}

// repair undoes what was due by then.
func (s *saboteur) repair(by instant) {
	s.undo = slices.DeleteFunc(s.undo, func(u undoing) bool {
		if u.due <= by {
			u.end()
		}
		return u.due <= by
	})
}

// begin has a fault last for a while.
func (s *saboteur) begin(kind string, p *place, d time.Duration, harm, heal func()) {
	from, process := now(), ""
	if p != nil {
		process, p.busy = p.name, true
	} else {
		s.frozen = true
	}
	harm()
	s.did[kind]++
	i := len(s.faults)
	s.faults = append(s.faults, fault{kind, process, from, from.add(d)})
	s.undo = append(s.undo, undoing{from.add(d), func() {
		heal()
		s.faults[i].To = now()
		if p != nil {
			p.busy = false
		} else {
			s.frozen = false
		}
	}})
}

// between is a random time.
func (s *saboteur) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(s.random.Int64N(int64(hi-lo)))
}

// harm does one thing: each kind once before any comes again.
func (s *saboteur) harm() {
	s.t.Helper()
	if len(s.deck) == 0 {
		s.deck = s.random.Perm(16)
	}
	what := s.deck[0]
	s.deck = s.deck[1:]
	if what >= 14 {
		s.harmServer(what)
		return
	}
	free := slices.DeleteFunc(slices.Clone(s.crew.places), func(p *place) bool { return p.busy })
	if len(free) == 0 {
		return
	}
	p := free[s.random.IntN(len(free))]
	ttl := p.ttl
	switch what {
	case 0, 1:
		s.begin(kill, p, 0, func() { p.kill(); p.hire() }, func() {})
	case 2:
		s.pause(p, s.between(20*time.Millisecond, ttl/2))
	case 3, 4:
		s.pause(p, s.between(ttl, 2*ttl))
	case 5:
		s.begin("cut", p, s.between(20*time.Millisecond, ttl/2), p.locks.Cut, p.heal)
	case 6:
		s.begin("cut", p, s.between(ttl, 3*ttl), p.locks.Cut, p.heal)
	case 7:
		s.begin("cut of replies", p, s.between(20*time.Millisecond, 2*ttl), p.locks.CutReplies, p.heal)
	case 8:
		s.begin("reset", p, 0, p.locks.Reset, func() {})
	case 9, 10:
		n := 1 + s.random.IntN(3)
		s.begin("loss of replies", p, ttl/2, func() { p.locks.DropReplies(n, "evalsha") }, p.heal)
	case 11:
		delay := s.between(5*time.Millisecond, ttl/5)
		s.begin("delay", p, ttl, func() { p.locks.Delay(delay) }, p.heal)
	case 12:
		s.begin("cut of the data", p, s.between(ttl/2, 2*ttl), p.data.Cut, p.heal)
	default:
		s.begin("cut of both", p, s.between(ttl, 3*ttl), func() { p.locks.Cut(); p.data.Cut() }, p.heal)
	}
}

func (s *saboteur) pause(p *place, d time.Duration) {
	s.begin("pause", p, d, func() { p.signal(syscall.SIGSTOP) }, func() { p.signal(syscall.SIGCONT) })
}

// harmServer has the server stand still, or forget its scripts.
func (s *saboteur) harmServer(what int) {
	s.t.Helper()
	switch {
	case s.frozen:
	case what == 14:
		s.begin("freeze", nil, s.between(20*time.Millisecond, s.crew.plan.TTL*6/5), s.server.Freeze, s.server.Thaw)
	default:
		s.begin("loss of scripts", nil, 0, func() { require.NoError(s.t, s.direct.ScriptFlush(s.t.Context()).Err()) }, func() {})
	}
}

// loseAll has the server lose all its data.
func (s *saboteur) loseAll() {
	s.t.Helper()
	s.begin(flush, nil, 0, func() { require.NoError(s.t, s.direct.FlushAll(s.t.Context()).Err()) }, func() {})
}
