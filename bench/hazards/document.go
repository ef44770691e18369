package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/effectlock/effectlock/internal/redistest"
)

// write plays the scenarios and prints their table, a row at a time.
func write(ctx context.Context, w io.Writer, chosen []scenario) error {
	var head strings.Builder
	fmt.Fprintf(&head, "%s, `go run ./hazards` in `bench/`: %s.\n\n", time.Now().UTC().Format(time.DateOnly), strings.Join(versions(ctx), ", "))
	for _, l := range libraries {
		fmt.Fprintf(&head, "- **%s**: %s\n", l.name, l.about)
	}
	head.WriteString("\n| # | what happens |")
	for _, l := range libraries {
		fmt.Fprintf(&head, " %s |", l.name)
	}
	fmt.Fprintf(&head, "\n| ---: | --- |%s\n", strings.Repeat(" --- |", len(libraries)))
	if _, err := io.WriteString(w, head.String()); err != nil {
		return err
	}
	for _, sc := range chosen {
		if _, err := fmt.Fprintf(w, "| %d | %s | %s |\n", sc.number, sc.text, strings.Join(row(ctx, sc), " | ")); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// row plays a scenario with each library. They mostly wait, so they run together,
// unless the counts depend on the load.
func row(ctx context.Context, sc scenario) []string {
	cells := make([]string, len(libraries))
	var running sync.WaitGroup
	for i, l := range libraries {
		running.Go(func() {
			r := &run{}
			defer r.end()
			cells[i] = play(ctx, r, l, sc)
		})
		if sc.alone {
			running.Wait()
		}
	}
	running.Wait()
	return cells
}

func versions(ctx context.Context) []string {
	all := []string{runtime.Version()}
	r := &run{}
	defer r.end()
	info, err := redistest.Start(r).Client(r).InfoMap(ctx, "server").Result()
	check(err)
	all = append(all, "Redis "+info["Server"]["redis_version"])
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return all
	}
	for _, dep := range build.Deps {
		for _, name := range []string{"redis/go-redis/v9", "redis/rueidis", "go-redsync/redsync/v4", "bsm/redislock"} {
			if dep.Path == "github.com/"+name {
				all = append(all, name+" "+dep.Version)
			}
		}
	}
	return all
}
