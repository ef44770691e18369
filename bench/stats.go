package main

import (
	"math"
	"slices"
)

// median returns the middle value, the mean of the two middle ones if their number is
// even, or NaN if there are none.
func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	if n == 0 {
		return math.NaN()
	}
	return (s[(n-1)/2] + s[n/2]) / 2
}

// percentile returns the smallest value that at least p percent do not exceed, or NaN if
// there are none.
func percentile(p float64, values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p / 100 * float64(len(s))))
	return s[min(max(rank, 1), len(s))-1]
}

// jain returns the fairness index of Jain, Chiu and Hawe (1984): 1 if all shares are
// equal, 1/n if one of n has everything. It returns NaN if there are no shares or all are 0.
func jain(shares []float64) float64 {
	var sum, squares float64
	for _, x := range shares {
		sum += x
		squares += x * x
	}
	return sum * sum / (float64(len(shares)) * squares)
}
