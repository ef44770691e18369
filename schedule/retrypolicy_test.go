package schedule_test

import (
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/IBM/fp-go/v2/retry"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/schedule"
)

// delaysOf lists the answers of an fp-go policy, asked as fp-go itself would ask.
func delaysOf(policy retry.RetryPolicy, n int) durations {
	delays := durations{}
	status := retry.DefaultRetryStatus
	for range n {
		status = retry.ApplyPolicy(policy, status)
		delay, ok := option.Unwrap(status.PreviousDelay)
		if !ok {
			break
		}
		delays = append(delays, delay)
	}
	return delays
}

func TestFromRetryPolicyFeedsTheStatusThatFpGoWould(t *testing.T) {
	t.Parallel()
	record := func(seen *[]retry.RetryStatus) retry.RetryPolicy {
		return func(status retry.RetryStatus) option.Option[time.Duration] {
			*seen = append(*seen, status)
			if status.IterNumber == 3 {
				return option.None[time.Duration]()
			}
			return option.Some(time.Duration(status.IterNumber) * s)
		}
	}
	var want, got []retry.RetryStatus
	delaysOf(record(&want), 9)
	// fp-go ignores time that passes otherwise.
	answers(schedule.FromRetryPolicy(record(&got)), at(0, time.Hour, 2*time.Hour, 3*time.Hour))

	require.Len(t, got, 4)
	assert.Equal(t, want, got)
}

func TestFromRetryPolicyClampsAndSaturates(t *testing.T) {
	t.Parallel()
	var statuses []retry.RetryStatus
	answer := durations{-s, maxDuration, maxDuration, 0}
	sched := schedule.FromRetryPolicy(func(status retry.RetryStatus) option.Option[time.Duration] {
		statuses = append(statuses, status)
		return option.Some(answer[status.IterNumber])
	})

	assert.Equal(t, durations{0, maxDuration, maxDuration, 0}, sched.Delays(4))
	assert.Equal(t, []retry.RetryStatus{
		{},
		{IterNumber: 1, PreviousDelay: option.Some(time.Duration(0))},
		{IterNumber: 2, CumulativeDelay: maxDuration, PreviousDelay: option.Some(maxDuration)},
		{IterNumber: 3, CumulativeDelay: maxDuration, PreviousDelay: option.Some(maxDuration)},
	}, statuses)
}

func TestToRetryPolicyIsAFunctionOfTheStatus(t *testing.T) {
	t.Parallel()
	five := schedule.Exponential(s).Intersect(schedule.Recurs(5)).ToRetryPolicy()
	tenSeconds := schedule.Spaced(s).UpTo(10 * s).ToRetryPolicy()
	none := option.None[time.Duration]()
	for range 2 { // in any order, and again
		for _, test := range []struct {
			policy retry.RetryPolicy
			status retry.RetryStatus
			want   option.Option[time.Duration]
		}{
			{five, retry.RetryStatus{IterNumber: 3}, option.Some(8 * s)},
			{five, retry.RetryStatus{IterNumber: 5}, none},
			{five, retry.RetryStatus{IterNumber: 1 << 62}, none},
			{five, retry.RetryStatus{}, option.Some(s)},
			{tenSeconds, retry.RetryStatus{IterNumber: 2, CumulativeDelay: 10*s - 1}, option.Some(s)},
			{tenSeconds, retry.RetryStatus{IterNumber: 2, CumulativeDelay: 10 * s}, none},
			{tenSeconds, retry.RetryStatus{IterNumber: 2, CumulativeDelay: -s}, option.Some(s)},
		} {
			assert.Equal(t, test.want, test.policy(test.status), test.status)
		}
	}
}

func TestToRetryPolicyLimitsJitteredDelaysByTheirSum(t *testing.T) {
	t.Parallel()
	policy := schedule.Spaced(s).JitteredBetween(0, 1).UpTo(10 * s).ToRetryPolicy()
	for range 100 {
		var sum time.Duration
		delays := delaysOf(policy, 1000)
		for i, delay := range delays {
			require.Less(t, sum, 10*s, "retry %d", i)
			sum += delay
		}
		require.GreaterOrEqual(t, sum, 10*s, "the policy ended early")
	}
}

func TestToRetryPolicyWorksEarlierStepsOutSilentlyAndWithoutChance(t *testing.T) {
	t.Parallel()
	var attempts []int
	// Steps came at 0, 10, 20, 30, 40 and 45 s, each of the middle ones a new start.
	policy := schedule.Spaced(10 * s).Jittered().
		Tap(func(step schedule.Step) { attempts = append(attempts, step.Attempt) }).
		ResetAfter(10 * s).ToRetryPolicy()
	for range 20 {
		attempts = nil
		policy(retry.RetryStatus{IterNumber: 5, CumulativeDelay: 45 * s})
		require.Equal(t, []int{2}, attempts)
	}
}
