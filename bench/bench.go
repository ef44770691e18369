package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// bench is one run of the program.
type bench struct {
	machine *machine
	peers   []peer
	rounds  int           // 0: the number that each workload wants
	window  time.Duration // 0: the length that each workload wants
	quick   bool
	log     io.Writer
}

const (
	defaultRounds = 5
	// manyRounds is for figures that vary more from round to round.
	manyRounds = 9
)

// roundsOf returns how often a case of a workload is measured.
func (b *bench) roundsOf(w workload, kase int) int {
	rounds := b.rounds
	switch {
	case b.quick:
		rounds = 1
	case rounds == 0:
		rounds = max(defaultRounds, w.rounds)
	}
	if limit, ok := w.fewer[kase]; ok {
		rounds = min(rounds, limit)
	}
	return rounds
}

// outcome is what one peer did in one round of one case.
type outcome struct {
	figures figures
	notes   []string
	err     error
}

// result is everything that one workload has measured.
type result struct {
	workload workload
	plan     plan
	peers    []peer
	rounds   int
	outcomes map[spot][]outcome // one for each round
}

type spot struct {
	peer string
	kase int
}

// run measures a workload. The peers take turns within a round, with a different
// one first in each round, so that changes on the machine, and the effect of being
// first, affect all of them.
func (b *bench) run(ctx context.Context, w workload) (result, error) {
	plan := w.plan(b.quick).lasting(b.window)
	r := result{workload: w, plan: plan, outcomes: map[spot][]outcome{}}
	for _, p := range b.peers {
		if w.measures(p) {
			r.peers = append(r.peers, p)
		}
	}
	for _, kase := range plan.cases {
		r.rounds = max(r.rounds, b.roundsOf(w, kase))
	}
	if w.unpinned {
		b.machine.letSleep()
	} else if err := b.machine.keepAwake(); err != nil {
		return r, err
	}
	for round := range r.rounds {
		for _, kase := range plan.cases {
			rounds := b.roundsOf(w, kase)
			if round >= rounds {
				continue
			}
			for i := range r.peers {
				p := r.peers[(round+i)%len(r.peers)]
				o := b.measure(ctx, w, plan, p, kase)
				if ctx.Err() != nil {
					return r, ctx.Err()
				}
				at := spot{p.name, kase}
				r.outcomes[at] = append(r.outcomes[at], o)
				_, _ = fmt.Fprintf(b.log, "%s %s round %d/%d %-13s %s\n", time.Now().Format(time.TimeOnly), w.label(kase), round+1, rounds, p.name, o.line(w))
			}
		}
	}
	return r, nil
}

func (o outcome) line(w workload) string {
	if o.err != nil {
		return o.err.Error()
	}
	var parts []string
	for _, c := range w.columns {
		if v, ok := o.figures[c.figure]; ok {
			parts = append(parts, c.heading+" "+c.format(v))
		}
	}
	return strings.Join(append(parts, o.notes...), "; ")
}

// warmUp is how long a workload runs before its window.
const warmUp = 300 * time.Millisecond

func (b *bench) measure(ctx context.Context, w workload, plan plan, p peer, kase int) outcome {
	serverCore, clientCore := b.machine.serverCore, b.machine.clientCore
	switch {
	case w.unpinned:
		serverCore, clientCore = noCore, noCore
	case w.sharedCore:
		serverCore = clientCore
	}
	s, err := startServer(ctx, b.machine, serverCore)
	if err != nil {
		return outcome{err: err}
	}
	defer s.stop()

	var jobs []job
	for i := range max(w.processes, 1) {
		jobs = append(jobs, job{Workload: w.name, Peer: p.name, Addr: s.addr, Case: kase, Quick: b.quick, Window: b.window, Process: i})
	}
	c, err := startCrew(b.machine, clientCore, jobs)
	if err != nil {
		return outcome{err: err}
	}
	defer c.stop()
	if err := c.ready(ctx, plan.prepare+grace); err != nil {
		return outcome{err: err}
	}
	from := time.Now().Add(warmUp)
	if err := c.begin(from); err != nil {
		return outcome{err: err}
	}
	served, err := s.served(ctx, from, from.Add(plan.window))
	if err != nil {
		return outcome{err: err}
	}
	answers, err := c.answers(ctx, grace)
	if err != nil {
		return outcome{err: err}
	}
	ever, err := s.commands(ctx)
	if err != nil {
		return outcome{err: err}
	}
	return w.judge(answers, commands{served, ever}, plan)
}

// grace is how late an answer may be before the peer counts as stuck.
const grace = 20 * time.Second

// commands returns how many commands the server has run, including those in scripts.
type commands struct{ inWindow, ever float64 }

// served counts the commands that the server runs in the window.
func (s *server) served(ctx context.Context, from, to time.Time) (float64, error) {
	time.Sleep(time.Until(from))
	before, err := s.commands(ctx)
	if err != nil {
		return 0, err
	}
	time.Sleep(time.Until(to))
	after, err := s.commands(ctx)
	return after - before - 1, err // INFO itself
}

// judge combines what the processes and the server say into one outcome, and rejects
// contradictions.
func (w workload) judge(answers []answer, ran commands, plan plan) outcome {
	o := outcome{figures: figures{}}
	sent := 0.0
	for _, a := range answers {
		sent += float64(a.Sent)
		o.notes = append(o.notes, a.Notes...)
	}
	if w.gather != nil {
		if o.figures, o.err = w.gather(answers, plan); o.err != nil {
			return o
		}
	} else {
		o.figures = answers[0].Figures
	}
	if late, ok := o.figures["late"]; ok && late == 0 {
		o.err = fmt.Errorf("%w: nobody got the lock in the second half of %v", errStuck, plan.window)
		return o
	}
	if !w.counted {
		return o
	}
	// Not within the window, whose ends parent and children see at different moments.
	if sent > ran.ever+onTheirWay {
		o.err = fmt.Errorf("%w: %.0f requests were counted on the wire, but the server ran %.0f commands", errMiscounted, sent, ran.ever)
		return o
	}
	requests := o.figures["requests"]
	seconds := plan.window.Seconds()
	o.figures["requests/s"] = requests / seconds
	if n := o.figures["acquired"]; n > 0 {
		o.figures["requests/acquisition"] = requests / n
		o.figures["commands/acquisition"] = ran.inWindow / n
	}
	if n := o.figures["handoffs"]; n > 0 {
		o.figures["requests/handoff"] = requests / n
	}
	return o
}

// onTheirWay is more than the number of requests that can be sent and unanswered.
const onTheirWay = 5000

var errMiscounted = errors.New("not reported")
