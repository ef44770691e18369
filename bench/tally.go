package main

import (
	"fmt"
	"math"
	"slices"
)

// values returns a peer's figure in each round that produced one.
func (r result) values(peer string, kase int, figure string) []float64 {
	var values []float64
	for _, o := range r.outcomes[spot{peer, kase}] {
		if v, ok := o.figures[figure]; ok && o.err == nil {
			values = append(values, v)
		}
	}
	return values
}

// median returns the median over the rounds, or NaN.
func (r result) median(peer string, kase int, figure string) float64 {
	return median(r.values(peer, kase, figure))
}

// usual returns the median if most rounds produced the figure, and otherwise NaN: the few
// handoffs of a peer that hardly ever hands over are not typical of it.
func (r result) usual(peer string, kase int, figure string) float64 {
	values := r.values(peer, kase, figure)
	if 2*len(values) <= len(r.outcomes[spot{peer, kase}]) {
		return math.NaN()
	}
	return median(values)
}

// ratio returns the median of the peer's figure as a multiple of the baseline's
// in the same round, or NaN. The ratio of the two medians was rejected: it may compare
// a quiet round with a noisy one.
func (r result) ratio(peer string, kase int, figure string) float64 {
	mine, base := r.outcomes[spot{peer, kase}], r.outcomes[spot{baseline, kase}]
	var ratios []float64
	for i := range min(len(mine), len(base)) {
		v, ok := mine[i].figures[figure]
		b, too := base[i].figures[figure]
		if ok && too && b != 0 && mine[i].err == nil && base[i].err == nil {
			ratios = append(ratios, v/b)
		}
	}
	return median(ratios)
}

// range of the rounds: least and most.
func (r result) extremes(peer string, kase int, figure string) (least, most float64) {
	values := r.values(peer, kase, figure)
	if len(values) == 0 {
		return math.NaN(), math.NaN()
	}
	return slices.Min(values), slices.Max(values)
}

// remarks returns the other observations about a peer, each once, with the number of
// rounds.
func (r result) remarks(peer string, kase int) []string {
	outcomes := r.outcomes[spot{peer, kase}]
	var seen []string
	rounds := map[string]int{}
	for _, o := range outcomes {
		notes := o.notes
		if o.err != nil {
			notes = append([]string{o.err.Error()}, notes...)
		}
		for _, text := range slices.Compact(slices.Sorted(slices.Values(notes))) {
			if rounds[text]++; rounds[text] == 1 {
				seen = append(seen, text)
			}
		}
	}
	for i, text := range seen {
		if len(outcomes) > 1 {
			seen[i] = fmt.Sprintf("%d of %d rounds: %s", rounds[text], len(outcomes), text)
		}
	}
	return seen
}
