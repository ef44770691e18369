package protocol_test

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// A finding is a forbidden state, and the way to it.
type finding struct {
	wrong string
	way   []event
}

func (f *finding) String() string {
	if f == nil {
		return "nothing"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, after:\n", f.wrong)
	for _, e := range f.way {
		fmt.Fprintf(&b, "  %d %s\n", e.who, names[e.what])
	}
	return b.String()
}

// An exploration has visited every reachable state, nearest first.
type exploration struct {
	from   []uint32 // the state from which each was first reached
	by     []event
	waits  [claimants][]bool
	holds  [claimants][]bool
	course [][2]uint32 // from and to of each step while nothing goes wrong
}

// explore visits all states, and reports the first forbidden one.
func (m *model) explore() (*exploration, *finding) {
	x := &exploration{}
	m.turns = newTurns(m)
	start := m.start()
	// With 64 bits, two of some millions of states collide once in ten million runs;
	// the states themselves would fill the memory.
	seed := maphash.MakeSeed()
	seen := map[uint64]uint32{maphash.Comparable(seed, start): 0}
	queue := []system{start}
	x.add(m, &start, 0, event{})
	for at := uint32(0); len(queue) > 0; at++ {
		now := queue[0]
		queue = queue[1:]
		for e := range everything {
			s := step{model: m, system: now}
			if !s.happen(e) || s.system.mishaps > m.mishaps {
				continue
			}
			m.tidy(&s.system)
			hash := maphash.Comparable(seed, s.system)
			to, known := seen[hash]
			if !known {
				s.look()
				to = uint32(len(x.from))
				seen[hash] = to
				queue = append(queue, s.system)
				x.add(m, &s.system, at, e)
			}
			if s.wrong != "" {
				return x, &finding{s.wrong, append(x.way(at), e)}
			}
			if !e.goesWrong() && to != at {
				x.course = append(x.course, [2]uint32{at, to})
			}
		}
	}
	if m.only != "" {
		return x, nil
	}
	return x, x.starving()
}

func (m *model) start() system {
	var s system
	for p := range s.processes {
		if m.scattered {
			s.processes[p].subscription = elsewhere
		}
		if !slices.Contains(m.process[:], p) {
			s.processes[p].health = dead
		}
	}
	return s
}

func everything(yield func(event) bool) {
	for w := range allWhat {
		for who := range claimants {
			if !yield(event{w, who}) {
				return
			}
		}
	}
}

func (x *exploration) add(m *model, s *system, from uint32, by event) {
	x.from, x.by = append(x.from, from), append(x.by, by)
	for c, me := range s.claimants {
		x.waits[c] = append(x.waits[c], me.phase == waiting)
		x.holds[c] = append(x.holds[c], me.phase == holding)
	}
}

func (x *exploration) way(to uint32) (way []event) {
	for at := to; at != 0; at = x.from[at] {
		way = append(way, x.by[at])
	}
	slices.Reverse(way)
	return way
}

// look checks what must hold in every state.
func (s *step) look() {
	working := 0
	for c, me := range s.claimants {
		if me.phase != holding || me.lease.over && s.flaw == trustsLateRefresh {
			continue
		}
		working++
		s.must(s.store.holder == s.self(c) && !s.store.reserved, "a claimant works without the lock")
		s.must(me.lease.token >= s.store.since, "a claimant works under a token older than the holder's first")
	}
	s.must(working <= 1, "two claimants work at once")
	s.must(s.store.holder == nobody || s.store.holder == stranger || s.isSomebody(s.store.holder), "a claimant that has left has the lock")
	for _, p := range s.store.queue {
		s.must(p.of == nobody || s.isSomebody(p.of), "a claimant that has left is in the queue")
	}
}

// isSomebody reports whether a claimant, or somebody in its name, will yet release
// what the store has of a holder, as far as the store can be reached.
func (s *step) isSomebody(h id) bool {
	c := claimantOf(h)
	me := s.claimants[c]
	if s.home(c).health != well || s.self(c) == h && me.phase != gone && me.phase != idle {
		return true
	}
	for i, gaveUp := range s.gaveUp {
		if gaveUp && s.holder(id(i)) == h {
			return true
		}
	}
	return s.requests(func(r request) bool { return s.holder(r.of) == h || s.holder(r.to) == h })
}

// starving finds a state in which a claimant waits in vain.
//
// In a finite system in which whatever can happen again and again does happen, a
// waiter gets the lock if and only if there is a way to that from every reachable
// state. So it is enough to go backwards from the states in which it has the lock.
func (x *exploration) starving() *finding {
	before := x.reversed()
	for c := range claimants {
		good := make([]bool, len(x.from))
		for i, w := range x.waits[c] {
			good[i] = !w
		}
		var stack []uint32
		for i, ok := range good {
			if ok {
				stack = append(stack, uint32(i))
			}
		}
		for len(stack) > 0 {
			at := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for _, from := range before(at) {
				if !good[from] {
					good[from] = true
					stack = append(stack, from)
				}
			}
		}
		for i, ok := range good {
			if x.waits[c][i] && !ok {
				return &finding{fmt.Sprintf("claimant %d waits forever, though nothing more goes wrong", c), x.way(uint32(i))}
			}
		}
	}
	return nil
}

// reversed returns the states from which each is reached while nothing goes wrong.
func (x *exploration) reversed() func(uint32) []uint32 {
	starts := make([]uint32, len(x.from)+1)
	for _, edge := range x.course {
		starts[edge[1]+1]++
	}
	for i := range x.from {
		starts[i+1] += starts[i]
	}
	next := slices.Clone(starts)
	froms := make([]uint32, len(x.course))
	for _, edge := range x.course {
		froms[next[edge[1]]] = edge[0]
		next[edge[1]]++
	}
	return func(to uint32) []uint32 { return froms[starts[to]:starts[to+1]] }
}
