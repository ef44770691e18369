package schedule

// Intersect recurs as long as both s and o do, with the longer of their delays.
// Its most common use is a limit: Spaced(d).Intersect(Recurs(5)).
func (s Schedule) Intersect(o Schedule) Schedule {
	// Both take every step, even when the other one has ended: the order of the operands
	// must not matter.
	return Schedule{cells: s.cells + o.cells, step: func(st []cell, in input) (pause, bool) {
		left, leftOK := s.next(st[:s.cells], in)
		right, rightOK := o.next(st[s.cells:], in)
		return longer(left, right), leftOK && rightOK
	}}
}

// Union recurs as long as s or o does, with the shorter of their delays; when
// one has ended, with the delay of the other.
func (s Schedule) Union(o Schedule) Schedule {
	return Schedule{cells: s.cells + o.cells, step: func(st []cell, in input) (pause, bool) {
		left, leftOK := s.next(st[:s.cells], in)
		right, rightOK := o.next(st[s.cells:], in)
		switch {
		case leftOK && rightOK:
			return shorter(left, right), true
		case leftOK:
			return left, true
		default:
			return right, rightOK
		}
	}}
}

// AndThen recurs as s does until it ends, then as o does. For o, time starts
// when its turn comes. If s never ends, o never has a turn.
func (s Schedule) AndThen(o Schedule) Schedule {
	// The first cell's n is 1 once s has ended.
	return Schedule{cells: 1 + s.cells + o.cells, step: func(st []cell, in input) (pause, bool) {
		first, second := st[1:1+s.cells], st[1+s.cells:]
		if st[0].n == 0 {
			if p, ok := s.next(first, in); ok {
				return p, true
			}
			st[0].n = 1
		}
		return o.next(second, in)
	}}
}
