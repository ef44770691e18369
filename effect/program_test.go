package effect_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/effectlock/effectlock/effect"
)

// node is a generated program: an operator, and the programs it is applied to.
type node struct {
	op string
	operator
	id         int
	finalizers []cleanup
	kids       []*node
}

// cleanup is a generated finalizer.
type cleanup struct {
	id   int
	does string // what it does besides being noted
}

func (n *node) String() string {
	s := fmt.Sprintf("%s-%d", n.op, n.id)
	if len(n.finalizers) > 0 {
		s += fmt.Sprint(n.finalizers)
	}
	if len(n.kids) > 0 {
		kids := make([]string, len(n.kids))
		for i, kid := range n.kids {
			kids[i] = kid.String()
		}
		s += "(" + strings.Join(kids, ", ") + ")"
	}
	return s
}

// GoString is how rapid prints a program.
func (n *node) GoString() string { return n.String() }

// programs draws programs of the operators in ops.
func programs(ops ...map[string]operator) *rapid.Generator[*node] {
	all := map[string]operator{}
	for _, some := range append(ops, leaves) {
		maps.Copy(all, some)
	}
	names := slices.Sorted(maps.Keys(all))
	return rapid.Custom(func(t *rapid.T) *node {
		id := 0
		var draw func(depth int) *node
		draw = func(depth int) *node {
			id++
			n := &node{id: id}
			from := names
			if depth == 0 {
				from = leafNames
			}
			n.op = rapid.SampledFrom(from).Draw(t, "op")
			n.operator = all[n.op]
			most := map[string]int{"scoped": 4, "acquire": 4, "resources": 4, "use": 1, "onExit": 1, "ensuring": 1}[n.op]
			for range rapid.IntRange(min(1, most), most).Draw(t, "finalizers") {
				id++
				does := rapid.SampledFrom([]string{"nothing", "nothing", "fail", "panic", "panic at once", "goexit", "outlast"}).Draw(t, "finalizer")
				n.finalizers = append(n.finalizers, cleanup{id, does})
			}
			for range n.arity {
				n.kids = append(n.kids, draw(depth-1))
			}
			return n
		}
		return draw(4)
	})
}

// mark is a failure with a name.
type mark struct{ name string }

func (m *mark) Error() string { return m.name }

// odd is a mark that catchOdd recovers from.
type odd struct{ mark }

// labels lists what an error holds, but for the ends of contexts.
func labels(err error) (names []string) {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself
	case nil:
	case *mark:
		names = append(names, e.name)
	case *odd:
		names = append(names, e.name)
	case *effect.Defect:
		if e.Value == effect.ErrGoexit {
			names = append(names, "goexit")
		} else {
			names = append(names, fmt.Sprint(e.Value))
		}
		names = append(names, labels(e.Finalizers)...)
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			names = append(names, labels(one)...)
		}
	default:
		names = append(names, labels(errors.Unwrap(err))...)
	}
	return names
}
