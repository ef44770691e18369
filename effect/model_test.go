package effect_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/effectlock/effectlock/effect"
)

// end is how a sequential program must end, in terms of [labels].
type end struct {
	way         string // value, error, panic or goexit
	value       int    // 0, or the node that yielded it
	labels      []string
	interrupted bool // the error satisfies errors.Is with the context's
	defect      bool // a finalizer panicked, and that is in the error
	carried     bool // the panic's value is a *Defect
}

func (e end) String() string {
	switch {
	case e.way == "value":
		return "success[]"
	case e.way != "error" || e.defect:
		return fmt.Sprint("defect", e.labels)
	case e.interrupted:
		return fmt.Sprint("interruption", e.labels)
	}
	return fmt.Sprint("failure", e.labels)
}

// model says what a sequential program must do. It has no goroutines, contexts or
// Go panics, only the words of the package's documentation.
type model struct {
	clock time.Duration
	log   []string
}

func (m *model) cancelled() bool { return m.clock >= cancelled }

var interrupted = end{way: "error", interrupted: true}

func value(n *node) end { return end{way: "value", value: n.id} }

func failed(name string, id int) end {
	return end{way: "error", labels: []string{fmt.Sprint(name, id)}}
}

func (m *model) run(n *node) end {
	switch n.op {
	case "succeed":
		return value(n)
	case "fail":
		return failed("fail ", n.id)
	case "failOdd":
		return failed("odd ", n.id)
	case "panic":
		return end{way: "panic", labels: []string{fmt.Sprint("panic ", n.id)}}
	case "nilPanic":
		return end{way: "panic", labels: []string{new(runtime.PanicNilError).Error()}}
	case "goexit":
		return end{way: "goexit", labels: []string{"goexit"}}
	case "wait":
		m.clock = max(m.clock, cancelled)
		return interrupted
	case "sleep":
		if m.clock+sleeps > cancelled {
			m.clock = max(m.clock, cancelled)
			return interrupted
		}
		m.clock += sleeps
		return value(n)
	case "stubborn":
		m.clock += ignores
		return value(n)
	case "join", "allOne": // they start nothing once the context has ended
		if m.cancelled() {
			return interrupted
		}
		fallthrough
	case "raceOne", "raceFirstOne":
		e := m.run(n.kids[0])
		e.carried = e.way == "panic"
		if e.way == "error" && (n.op == "allOne" || n.op == "raceOne") {
			e.value = 0
		}
		return e
	case "resources", "use": // they do nothing after the first acquire once the context has ended
		if m.cancelled() {
			first := *n
			first.finalizers = n.finalizers[:1]
			return m.finalize(&first, interrupted)
		}
		fallthrough
	case "scoped", "acquire", "onExit", "ensuring":
		return m.finalize(n, m.run(n.kids[0]))
	case "then":
		first := m.run(n.kids[0])
		if first.way != "value" {
			first.value = 0
			return first
		}
		if m.cancelled() {
			return interrupted
		}
		return m.run(n.kids[1])
	case "attempt":
		e := m.run(n.kids[0])
		if e.way == "error" {
			e.value, e.interrupted = 0, e.interrupted || m.cancelled() && !e.defect
		}
		return e
	case "catchAll", "orElse", "catchOdd", "ignore", "mapError", "tapError":
		return m.recover(n, m.run(n.kids[0]))
	case "retry":
		return m.retry(n.kids[0])
	}
	return m.run(n.kids[0]) // it changes nothing
}

func (m *model) finalize(n *node, e end) end {
	exit := e.String()
	if n.op == "ensuring" {
		exit = "some exit"
	}
	var failures []string
	goexit, defect := false, false
	for _, f := range slices.Backward(n.finalizers) {
		m.log = append(m.log, fmt.Sprintf("%d after %s", f.id, exit))
		switch f.does {
		case "outlast":
			m.clock += effect.FinalizerTimeout
		case "panic", "panic at once":
			defect = true
		case "goexit":
			goexit = true
		}
		if f.does != "nothing" && f.does != "goexit" {
			failures = append(failures, fmt.Sprint("finalizer ", f.id))
		}
	}
	switch {
	case goexit || e.way == "goexit": // nobody is left to take an error
		return end{way: "goexit", labels: []string{"goexit"}}
	case len(failures) == 0:
		return e
	case e.way == "value":
		e.way = "error"
	}
	e.labels = append(slices.Clone(e.labels), failures...)
	e.defect = e.defect || defect && e.way == "error"
	e.carried = e.way == "panic"
	return e
}

func (m *model) recover(n *node, e end) end {
	if n.op == "ignore" {
		e.value = 0
	}
	switch {
	case n.op == "ignore" && e.way == "value":
		return value(n)
	case e.way != "error" || e.defect:
		return e
	case m.cancelled():
		e.interrupted = true
		return e
	}
	switch n.op {
	case "ignore":
		return value(n)
	case "mapError":
		return e
	case "tapError":
		tapped := m.run(n.kids[1])
		switch tapped.way {
		case "value":
			return e
		case "error":
			tapped.labels = append(slices.Clone(e.labels), tapped.labels...)
			tapped.value = e.value
		}
		return tapped
	case "catchOdd":
		if slices.ContainsFunc(e.labels, func(name string) bool { return !strings.HasPrefix(name, "odd") }) {
			return e
		}
	}
	return m.run(n.kids[1])
}

func (m *model) retry(n *node) end {
	for run := 0; ; run++ {
		e := m.run(n)
		switch {
		case e.way != "error":
			return e
		case m.cancelled():
			e.interrupted = true
			return e // what failed before is history
		case e.defect || run == 2:
			return e
		}
	}
}
