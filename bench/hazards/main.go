// Hazards puts the lock libraries of the benchmarks through the ways in which locks go
// wrong, with a redis-server that it starts itself, a network that breaks, and processes
// that are stopped and killed. It prints a Markdown table.
//
//	go run ./hazards                    # all, about two minutes
//	go run ./hazards -scenarios 8,14    # only some
//
// It also measures how long a call takes at most during a fault, and writes that into a document:
//
//	go run ./hazards -bounds ../docs/guarantees.md    # about two minutes
//
// It needs redis-server in the PATH, or the environment variable
// EFFECTLOCK_REDIS_SERVER that names it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/internal/redistest"
)

func main() {
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "hazards:", err)
		os.Exit(1)
	}
}

func start() error {
	if orders, ok := os.LookupEnv(ordersVariable); ok {
		return follow(orders)
	}
	names := flag.String("scenarios", "", "the numbers of the scenarios, with commas between; default all")
	document := flag.String("bounds", "", "a Markdown file: measure how long calls take, and write that into it, in place of the scenarios")
	flag.Parse()
	chosen, err := choose(*names)
	if err != nil {
		return err
	}
	if os.Getenv(redistest.Binary) == "" {
		path, err := exec.LookPath("redis-server")
		if err != nil {
			return fmt.Errorf("%w: install it, or name it in %s", err, redistest.Binary)
		}
		if err := os.Setenv(redistest.Binary, path); err != nil {
			return err
		}
	}
	goredis.SetLogger(silent{}) // it would log every fault, and there are many
	ctx := context.Background()
	if *document != "" {
		return whole.take(ctx).writeInto(ctx, *document)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	return write(ctx, os.Stdout, chosen)
}

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

func choose(names string) ([]scenario, error) {
	if names == "" {
		return scenarios, nil
	}
	var chosen []scenario
	for name := range strings.SplitSeq(names, ",") {
		n, err := strconv.Atoi(name)
		i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.number == n })
		if err != nil || i < 0 {
			return nil, fmt.Errorf("-scenarios: %q is none of %v", name, numbers())
		}
		chosen = append(chosen, scenarios[i])
	}
	return chosen, nil
}

func numbers() (all []int) {
	for _, s := range scenarios {
		all = append(all, s.number)
	}
	return all
}
