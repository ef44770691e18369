package backingtest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/anishathalye/porcupine"
)

// checkHistories lets several goroutines ask at once, and looks for an order of their
// operations that the reference allows. What it finds is up to chance: the seed determines
// the scripts, not the races. No lease ends, unless the machine is slower than the time for
// which the store keeps the key for a claimant that was woken; then both answers are right.
func (k kit) checkHistories(t *testing.T, open func(*testing.T) *probe) {
	t.Run("model: operations at once", func(t *testing.T) {
		t.Parallel()
		const rounds = 50
		open := k.oncePerTest(t, open)
		seed := seed()
		for round := range rounds {
			var message string
			k.enter(t, func(t *testing.T) { message = open(t).crowds(seed + round) })
			if message != "" {
				t.Fatalf("%s\n  to try again: -rapid.seed=%d", message, seed+round)
			}
		}
	})
}

// seed returns rapid's seed if it is set.
func seed() int {
	if f := flag.Lookup("rapid.seed"); f != nil {
		if n, err := strconv.Atoi(f.Value.String()); err == nil && n != 0 {
			return n
		}
	}
	return int(rand.Int32())
}

// crowds returns what is wrong with a history, or "".
func (p *probe) crowds(seed int) string {
	const goroutines = 4
	h := &history{}
	message := p.attempt(strconv.FormatUint(rand.Uint64(), 36), func(p *probe) {
		c := p.cast()
		c.patient = true
		p.together(goroutines, func(p *probe, i int) {
			for _, a := range hurried.Example(seed + i*1_000_000) {
				h.add(i, a, c.by(p))
			}
		})
		for key := range c.keys {
			h.add(0, act{name: "GetHolder", key: key}, c)
			c.hasAnOrder(h.of(key))
		}
	})
	if message == "" {
		return ""
	}
	// Perhaps it is not because they were at once.
	if m := p.follows(h.acts); m != "" {
		return m
	}
	return message
}

// A history is the operations of concurrent goroutines. Its clock is a counter: in virtual
// time, everything may happen at the same moment.
type history struct {
	clock atomic.Int64
	mu    sync.Mutex
	acts  []act
	all   []porcupine.Operation
}

func (h *history) add(goroutine int, a act, c *cast) {
	h.mu.Lock()
	called := h.clock.Add(1)
	h.acts = append(h.acts, a)
	h.mu.Unlock()
	scenes := c.play(a)
	returned := h.clock.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range scenes {
		h.all = append(h.all, porcupine.Operation{ClientId: goroutine, Input: s, Call: called, Return: returned})
	}
}

func (h *history) of(key int) []porcupine.Operation {
	return slices.DeleteFunc(slices.Clone(h.all), func(o porcupine.Operation) bool { return o.Input.(scene).key != key })
}

func (c *cast) hasAnOrder(all []porcupine.Operation) {
	c.Helper()
	model := porcupine.NondeterministicModel{
		Init: func() []any { return []any{lock{}} },
		Step: func(state, input, _ any) (after []any) {
			for _, l := range c.explain([]lock{state.(lock)}, input.(scene)) {
				after = append(after, l)
			}
			return after
		},
		Equal: reflect.DeepEqual,
	}
	if porcupine.CheckOperationsTimeout(model.ToModel(), all, patience) != porcupine.Illegal {
		return
	}
	slices.SortFunc(all, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var said strings.Builder
	for _, o := range all {
		s := o.Input.(scene)
		fmt.Fprintf(&said, "\n    %3d to %3d, goroutine %d: %s = %s", o.Call, o.Return, o.ClientId, s.operation, s.reply)
	}
	c.calls = nil
	c.breaks(eachAtomic, "no order of these operations, which overlap in time, explains the answers:%s", said.String())
}
