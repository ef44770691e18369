package protocol_test

import "slices"

// A ledger is what the scripts must do to one lock, in a few lines.
type ledger struct {
	holder   string
	token    uint64 // of the last grant
	queue    []string
	released map[string]bool // the holders whose release is remembered
	alive    func(holder string) bool
}

// outcome is what an operation must have led to, besides what the ledger says.
type outcome struct {
	grant     bool   // who asked has the lock
	fresh     bool   // under a new token
	queued    bool   // who asked is in the queue
	unqueued  bool   // who asked has to ask anew to be so
	yes       bool   // as was answered to a release, a refresh or a pass
	told      string // to whom a message was published that was received
	published int
}

func (l *ledger) give(to string) outcome {
	l.holder = to
	return outcome{grant: true, fresh: true, yes: true}
}

func (l *ledger) add(holder string) {
	if !slices.Contains(l.queue, holder) {
		l.queue = append(l.queue, holder)
		delete(l.released, holder)
	}
}

func (l *ledger) remove(holder string) {
	l.queue = slices.DeleteFunc(l.queue, func(h string) bool { return h == holder })
}

// serve gives a lock that is free to the first in the queue whose process lives.
// The one who asks needs no message.
func (l *ledger) serve(asker string) (o outcome) {
	for l.holder == "" && len(l.queue) > 0 {
		first := l.queue[0]
		l.queue = l.queue[1:]
		switch {
		case first == asker:
			o.grant, o.fresh, l.holder = true, true, first
		case l.alive(first):
			o.told, l.holder = first, first
			o.published++
		default:
			o.published++
		}
	}
	return o
}

func (l *ledger) tryAcquire(holder string) outcome {
	switch l.holder {
	case "":
		delete(l.released, holder)
		return l.give(holder)
	case holder:
		return outcome{grant: true}
	}
	return outcome{}
}

func (l *ledger) enqueue(holder string) outcome {
	if l.holder == holder {
		l.remove(holder)
		return outcome{grant: true}
	}
	if l.holder == "" && len(l.queue) == 0 {
		return l.tryAcquire(holder)
	}
	l.add(holder)
	o := l.serve(holder)
	o.queued = !o.grant
	return o
}

func (l *ledger) refresh(holder string) outcome { return outcome{yes: l.holder == holder} }

func (l *ledger) release(holder string) outcome {
	l.remove(holder)
	if l.holder != holder {
		return outcome{yes: l.released[holder]}
	}
	l.holder, l.released[holder] = "", true
	o := l.serve("")
	o.yes = true
	return o
}

func (l *ledger) pass(from, to string, yield bool) outcome {
	switch {
	case l.holder == to && (from == to || l.released[from]): // a repeat
		l.remove(to)
		return outcome{grant: true, yes: true}
	case l.holder != from: // likewise, if it was yielded, or to has let go since
		again := l.released[from] && l.holder != to
		queued := again && yield && slices.Contains(l.queue, to)
		return outcome{yes: again, queued: queued, unqueued: again && !queued}
	case yield && len(l.queue) > 0:
		l.holder, l.released[from] = "", true
		l.add(to)
		o := l.serve(to)
		o.yes, o.queued = true, !o.grant
		return o
	}
	l.remove(to)
	l.released[from] = true
	delete(l.released, to)
	return l.give(to)
}

// lost is what the end of a lease does, or somebody who deletes the key.
func (l *ledger) lost() { l.holder = "" }
