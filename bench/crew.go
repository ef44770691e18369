package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// crew is the processes of one measurement, from their parent's point of view.
type crew struct {
	members []*member
}

type member struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string // what it prints; closed when it ends
}

// startCrew must be called by the main goroutine.
func startCrew(m *machine, core int, jobs []job) (*crew, error) {
	c := &crew{}
	for _, j := range jobs {
		mem, err := startMember(m, core, j)
		if err != nil {
			c.stop()
			return nil, err
		}
		c.members = append(c.members, mem)
	}
	return c, nil
}

func startMember(m *machine, core int, j job) (*member, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	arg, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe, childFlag, string(arg))
	cmd.Stderr = os.Stderr
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GOMAXPROCS=") })
	if w, ok := workloadNamed(j.Workload); !ok || !w.unpinned {
		cmd.Env = append(cmd.Env, "GOMAXPROCS=1")
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := m.start(cmd, core); err != nil {
		return nil, err
	}
	mem := &member{cmd: cmd, in: in, lines: make(chan string, 2)}
	go func() {
		defer close(mem.lines)
		for r := bufio.NewReader(out); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			mem.lines <- line
		}
	}()
	return mem, nil
}

// errStuck is the error of a measurement that does not end.
var errStuck = errors.New("stuck")

// say returns the next line of each member.
func (c *crew) say(ctx context.Context, limit time.Duration) ([]string, error) {
	late := time.NewTimer(limit)
	defer late.Stop()
	var said []string
	for _, mem := range c.members {
		select {
		case line, ok := <-mem.lines:
			if !ok {
				return nil, errors.New("a process ended without an answer")
			}
			said = append(said, line)
		case <-late.C:
			return nil, fmt.Errorf("%w: no answer within %v", errStuck, limit)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return said, nil
}

// ready waits until each member can begin.
func (c *crew) ready(ctx context.Context, limit time.Duration) error {
	said, err := c.say(ctx, limit)
	for _, line := range said {
		if line != readyLine+"\n" { // it has failed already, and says why
			_, err := decode(line)
			return errors.Join(err, errors.New("a process did not get ready"))
		}
	}
	return err
}

// begin tells each member when the window starts.
func (c *crew) begin(from time.Time) error {
	for _, mem := range c.members {
		if _, err := fmt.Fprintln(mem.in, from.UnixNano()); err != nil {
			return err
		}
	}
	return nil
}

func (c *crew) answers(ctx context.Context, limit time.Duration) ([]answer, error) {
	said, err := c.say(ctx, limit)
	if err != nil {
		return nil, err
	}
	var answers []answer
	for _, line := range said {
		a, err := decode(line)
		if err != nil {
			return nil, err
		}
		answers = append(answers, a)
	}
	return answers, nil
}

func decode(line string) (answer, error) {
	var a answer
	if err := json.Unmarshal([]byte(line), &a); err != nil {
		return a, err
	}
	if a.Err != "" {
		return a, errors.New(a.Err)
	}
	return a, nil
}

// stop ends the processes, whatever they are doing.
func (c *crew) stop() {
	for _, mem := range c.members {
		_ = mem.in.Close()
		_ = mem.cmd.Process.Kill()
		for range mem.lines { // read to the end first: Wait closes the pipe
		}
		_ = mem.cmd.Wait()
	}
}
