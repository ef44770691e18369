package main

import (
	"math"
	"slices"
)

// target is a goal of this library.
type target struct {
	text   string
	value  func(result) float64 // NaN: not measured
	limit  float64
	most   bool // the limit is an upper bound; otherwise a lower one
	format func(float64) string
}

func (t target) met(v float64) bool {
	if t.most {
		return v <= t.limit
	}
	return v >= t.limit
}

func (t target) wish() string {
	if t.most {
		return "≤ " + t.format(t.limit)
	}
	return "≥ " + t.format(t.limit)
}

func atMost(kase int, figure, text string, limit float64, format func(float64) string) target {
	return target{text, func(r result) float64 { return r.median(ours, kase, figure) }, limit, true, format}
}

func atLeast(kase int, figure, text string, limit float64, format func(float64) string) target {
	t := atMost(kase, figure, text, limit, format)
	t.most = false
	return t
}

func ratioAtMost(kase int, figure, text string, limit float64) target {
	return target{text + ", of raw", func(r result) float64 { return r.ratio(ours, kase, figure) }, limit, true, times}
}

func opsAtLeast(kase int, text string, limit float64) target {
	t := ratioAtMost(kase, "ops/s", text, limit)
	t.most = false
	return t
}

// flatness returns the highest ops/s of some cases, as a multiple of the lowest.
func flatness(cases ...int) func(result) float64 {
	return func(r result) float64 {
		var values []float64
		for _, kase := range cases {
			v := r.median(ours, kase, "ops/s")
			if math.IsNaN(v) {
				return v
			}
			values = append(values, v)
		}
		return slices.Max(values) / slices.Min(values)
	}
}
