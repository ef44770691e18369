// Bench measures effectlock and other Redis locks for Go side by side: the same
// server, the same machine, rounds that take turns. See README.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

func init() {
	// Children inherit the affinity of the thread that starts them, and die with
	// that thread: it must be one that lives as long as the program.
	runtime.LockOSThread()
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == childFlag {
		os.Exit(child(os.Args[2]))
	}
	if len(os.Args) == 3 && os.Args[1] == awakeFlag {
		os.Exit(stayAwake())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	names := flag.String("only", "", "which workloads to run, such as W1,W3 (default all of "+strings.Join(workloadNames(), ",")+")")
	libraries := flag.String("peers", "", "which libraries to run, such as raw,effectlock (default all of "+strings.Join(peerNames(), ",")+"); raw is what the others are compared with")
	rounds := flag.Int("rounds", 0, fmt.Sprintf("how often each measurement is repeated (default %d, W1m and scripts %d); W5, W6 and footprint, which are long, take fewer", defaultRounds, manyRounds))
	window := flag.Duration("window", 0, "how long each measurement takes, such as 500ms (default: as long as its workload needs)")
	out := flag.String("out", "", "folder for "+reportName+" and "+pictureName+" (default: the report goes to standard output)")
	quick := flag.Bool("quick", false, "one short round of everything: to see that it works, not to believe the figures")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: everything is a flag, see -help", flag.Arg(0))
	}
	if *rounds < 0 {
		return fmt.Errorf("-rounds %d: must not be negative", *rounds)
	}
	if *window < 0 {
		return fmt.Errorf("-window %v: must not be negative", *window)
	}
	chosen, err := pick("-only", *names, allWorkloads(), func(w workload) string { return w.name })
	if err != nil {
		return err
	}
	measured, err := pick("-peers", *libraries, peers, func(p peer) string { return p.name })
	if err != nil {
		return err
	}

	m, err := newMachine()
	if err != nil {
		return err
	}
	defer m.letSleep()
	b := &bench{machine: m, peers: measured, rounds: *rounds, window: *window, quick: *quick, log: os.Stderr}
	facts := describe(ctx, m, b)
	var results []result
	for _, w := range chosen {
		r, err := b.run(ctx, w)
		if err != nil {
			return err
		}
		results = append(results, r)
	}

	report := document(facts, results)
	if *out == "" {
		fmt.Print(report)
		return nil
	}
	if err := os.WriteFile(filepath.Join(*out, reportName), []byte(report), 0o644); err != nil {
		return err
	}
	if i := slices.IndexFunc(results, func(r result) bool { return r.workload.name == "W3" }); i >= 0 {
		return os.WriteFile(filepath.Join(*out, pictureName), []byte(picture(results[i])), 0o644)
	}
	return nil
}

const (
	reportName  = "benchmarks.md"
	pictureName = "handoff.svg"
)

// pick returns the items that a comma-separated flag names, or all if it is empty.
func pick[T any](flagName, list string, all []T, name func(T) string) ([]T, error) {
	if list == "" {
		return all, nil
	}
	var picked []T
	for want := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(all, func(t T) bool { return strings.EqualFold(name(t), strings.TrimSpace(want)) })
		if i < 0 {
			var known []string
			for _, t := range all {
				known = append(known, name(t))
			}
			return nil, fmt.Errorf("%s: %q is none of %s", flagName, want, strings.Join(known, ", "))
		}
		picked = append(picked, all[i])
	}
	return picked, nil
}
