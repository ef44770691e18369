package main

import "time"

// lateness measures how late plain timers are at most, until the returned function is
// called. That much of a figure may be the machine's fault.
func lateness() func() time.Duration {
	const tick = 5 * time.Millisecond
	stop, worst := make(chan struct{}), make(chan time.Duration)
	go func() {
		var late time.Duration
		for {
			began := time.Now()
			select {
			case <-time.After(tick):
				late = max(late, time.Since(began)-tick)
			case <-stop:
				worst <- late
				return
			}
		}
	}()
	return func() time.Duration {
		close(stop)
		return <-worst
	}
}
