// Processes makes three processes contend for one lock on Redis, and kills the
// first one that gets it. The others continue when its lease has run out.
//
// It uses the Redis server at REDIS_URL, or starts one if that is not set.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"

	"github.com/effectlock/effectlock/effect"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	program := contest
	if len(os.Args) > 1 { // started by contest
		program = worker(os.Args[1])
	}
	if _, err := effect.Run(ctx, effect.Scoped(program)); err != nil {
		fmt.Fprintln(os.Stderr, "processes:", err)
		os.Exit(1)
	}
}

// contest starts the workers and prints their output.
func contest(s *effect.Scope) effect.Effect[effect.Void] {
	return func(ctx context.Context) (done effect.Void, err error) {
		url, err := server(s)(ctx)
		if err != nil {
			return done, err
		}
		output, input, err := os.Pipe()
		if err != nil {
			return done, err
		}
		defer output.Close()
		defer input.Close()

		workers := map[int]*exec.Cmd{}
		for n := 1; n <= 3; n++ {
			cmd := exec.Command(os.Args[0], fmt.Sprint(n))
			cmd.Env = append(os.Environ(), "REDIS_URL="+url)
			cmd.Stdout, cmd.Stderr = input, os.Stderr
			if workers[n], err = spawn(cmd)(s)(ctx); err != nil {
				return done, err
			}
		}
		_ = input.Close() // then the output ends when the last worker does

		killed := 0
		for lines := bufio.NewScanner(output); lines.Scan(); {
			fmt.Println(lines.Text())
			if killed != 0 {
				continue
			}
			if _, err := fmt.Sscanf(lines.Text(), "worker %d has the lock", &killed); err != nil {
				return done, err
			}
			if err := workers[killed].Process.Kill(); err != nil {
				return done, err
			}
			fmt.Printf("worker %d is killed\n", killed)
		}
		for n, w := range workers {
			if err := w.Wait(); err != nil && n != killed {
				return done, fmt.Errorf("worker %d: %w", n, err)
			}
		}
		return done, nil
	}
}
