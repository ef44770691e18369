package hazards_test

import "time"

// pulse is what a process can tell of its own state: for how long it did not run.
// No lock stops work that the machine does not run, so a test of when work stops
// takes off that time. On a machine that is idle it is next to nothing.
type pulse struct {
	stop chan struct{}
	done chan time.Duration
}

func newPulse() *pulse {
	p := &pulse{stop: make(chan struct{}), done: make(chan time.Duration, 1)}
	go func() {
		var longest time.Duration
		ticker := time.NewTicker(look)
		defer ticker.Stop()
		for last := time.Now(); ; {
			select {
			case <-ticker.C:
			case <-p.stop:
			}
			now := time.Now()
			longest = max(longest, now.Sub(last))
			last = now
			select {
			case <-p.stop:
				p.done <- longest
				return
			default:
			}
		}
	}()
	return p
}

// longestPause ends the measurement.
func (p *pulse) longestPause() time.Duration {
	close(p.stop)
	return <-p.done
}
