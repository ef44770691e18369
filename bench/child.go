package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

const childFlag = "-child"

// job is what a child process is to do.
type job struct {
	Workload string
	Peer     string
	Addr     string
	Case     int // the value that the workload varies: goroutines, locks
	Quick    bool
	Window   time.Duration // 0: the workload's own
	Process  int           // of several: 0, 1, …
}

// answer is what a child process has measured.
type answer struct {
	Figures  figures
	Sent     int64     // requests since the start, if they are counted
	Shares   []float64 // acquisitions of each goroutine
	Sections []section // of workloads with several processes
	Notes    []string  // other observations
	Err      string
}

// figures are measured values by name, times in seconds.
type figures map[string]float64

// trial is one measurement, from the point of view of the process that runs the library.
type trial struct {
	job
	setting
	plan   plan
	client client
	wire   *wire
	in     *bufio.Reader
	out    io.Writer
}

// child is the process that runs the library: one for each measurement, so that
// memory, CPU and stuck goroutines do not carry over to the next. It returns the
// exit code.
//
// It prints "ready", waits for a line with the window in which to measure, and
// prints an answer. When its standard input closes it ends, whatever it is doing.
func child(arg string) int {
	var j job
	if err := json.Unmarshal([]byte(arg), &j); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 2
	}
	input, leash := io.Pipe()
	go func() {
		_, _ = io.Copy(leash, os.Stdin)
		os.Exit(0)
	}()
	a, err := perform(context.Background(), j, bufio.NewReader(input), os.Stdout)
	if err != nil {
		a = answer{Err: err.Error()}
	}
	if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
		return 1
	}
	select {} // until standard input closes: held locks stay held while others measure
}

func perform(ctx context.Context, j job, in *bufio.Reader, out io.Writer) (answer, error) {
	w, ok := workloadNamed(j.Workload)
	if !ok {
		return answer{}, fmt.Errorf("no workload %q", j.Workload)
	}
	p, ok := peerNamed(j.Peer)
	if !ok {
		return answer{}, fmt.Errorf("no peer %q", j.Peer)
	}
	t := &trial{job: j, plan: w.plan(j.Quick).lasting(j.Window), wire: &wire{}, in: in, out: out}
	ttl := w.ttl
	if longer, ok := w.longer[j.Case]; ok {
		ttl = longer
	}
	t.setting = setting{addr: j.Addr, ttl: ttl, renew: ttl / 3}
	if w.counted {
		t.dial = t.wire.dial
	}
	var err error
	if t.client, err = p.open(ctx, t.setting); err != nil {
		return answer{}, err
	}
	a, err := w.measure(ctx, t)
	a.Sent = t.wire.requests.Load()
	return a, err
}

// begin says that this process is ready, and once all are, returns the window in
// which to measure. Anything the process does before the window warms it up.
func (t *trial) begin() (from, to time.Time, err error) {
	if _, err := fmt.Fprintln(t.out, readyLine); err != nil {
		return from, to, err
	}
	line, err := t.in.ReadString('\n')
	if err != nil {
		return from, to, err
	}
	nanos, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	// time.Until makes it monotonic.
	from = time.Now().Add(time.Until(time.Unix(0, nanos)))
	return from, from.Add(t.plan.window), err
}

const readyLine = "ready"
