package main

import (
	"context"
	"sync"
	"time"

	"github.com/effectlock/effectlock/internal/redistest"
)

// survey is which bounds are measured, and how.
type survey struct {
	faults    []fault
	libraries []library
	deadlines []time.Duration // 0: none
	cutOff    time.Duration
	spacing   time.Duration // between the faults of two bounds, because they share a machine
}

// all except raw, which is a loop of this program.
var whole = survey{faults, libraries[:len(libraries)-1], []time.Duration{0, 25 * time.Millisecond, 2 * time.Second}, time.Minute, 40 * time.Millisecond}

// surveyed is the result of a survey.
type surveyed struct {
	survey
	figures map[spot]figure
	late    time.Duration // the most that a plain timer was late meanwhile
}

// spot is the place of a figure in the tables.
type spot struct {
	fault, call, library string
	impatient            bool
	within               time.Duration
}

func (b bound) spot() spot {
	return spot{b.fault.text, b.call.name, b.library.name, b.impatient, b.within}
}

// bounds returns all the bounds that the survey measures.
func (s survey) bounds() (all []bound) {
	for _, f := range s.faults {
		for _, c := range calls {
			for _, l := range s.libraries {
				for _, within := range s.within(c, l) {
					for _, impatient := range []bool{false, true} {
						all = append(all, bound{f, c, l, impatient, within})
					}
				}
			}
		}
	}
	return all
}

// within returns the deadlines that make a difference to a call of the library.
func (s survey) within(c call, l library) []time.Duration {
	switch {
	case !c.has(l):
		return nil
	case !c.under(l):
		return []time.Duration{0}
	}
	return s.deadlines
}

// take measures all bounds. They mostly wait, so they run together: first all get
// ready, then the faults begin one after another.
func (s survey) take(ctx context.Context) surveyed {
	all := s.bounds()
	r := &run{}
	defer r.end()
	shared := redistest.Start(r)
	var measured, ready sync.WaitGroup
	ready.Add(len(all))
	starting := make(chan struct{}, 4)
	figures := make([]figure, len(all))
	for i, b := range all {
		measured.Go(func() {
			starting <- struct{}{}
			isReady := sync.OnceFunc(func() { <-starting; ready.Done() })
			defer isReady()
			r := &run{}
			defer r.end()
			figures[i] = b.measure(ctx, r, shared, s.cutOff, func() {
				isReady()
				ready.Wait()
				time.Sleep(time.Duration(i) * s.spacing)
			})
		})
	}
	ready.Wait()
	late := lateness()
	measured.Wait()
	done := surveyed{s, map[spot]figure{}, late()}
	for i, b := range all {
		done.figures[b.spot()] = figures[i]
	}
	return done
}
