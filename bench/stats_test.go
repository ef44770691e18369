package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMedianIsTheMiddle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{7}, 7},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 3, 2}, 2.5},
		{[]float64{1, 1, 1, 1000}, 1},
	} {
		assert.InDelta(t, c.want, median(c.values), 1e-12, "%v", c.values)
	}
	assert.True(t, math.IsNaN(median(nil)))
	values := []float64{3, 1, 2}
	median(values)
	assert.Equal(t, []float64{3, 1, 2}, values, "the argument stays as it was")
}

func TestPercentileIsAValueThatOccurred(t *testing.T) {
	t.Parallel()
	values := []float64{50, 10, 40, 20, 30}
	for p, want := range map[float64]float64{0: 10, 1: 10, 20: 10, 21: 20, 50: 30, 99: 50, 100: 50} {
		assert.InDelta(t, want, percentile(p, values), 1e-12, "p%v", p)
	}
	assert.True(t, math.IsNaN(percentile(50, nil)))
}

func TestJainIsOneForEqualSharesAndOneNthForOneWinner(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shares []float64
		want   float64
	}{
		{[]float64{5, 5, 5, 5}, 1},
		{[]float64{20, 0, 0, 0}, 0.25},
		{[]float64{1, 3}, 0.8},
	} {
		assert.InDelta(t, c.want, jain(c.shares), 1e-12, "%v", c.shares)
	}
	assert.True(t, math.IsNaN(jain([]float64{0, 0})))
}
