package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Another process is this same program, with its orders in the environment: library,
// address, and lease in milliseconds.
const ordersVariable = "EFFECTLOCK_HAZARDS_PROCESS"

// follow is the main function of such a process. It takes the lock, says so, says when
// its context ends, and keeps working until its standard input is closed, which also
// happens when its parent ends.
func follow(orders string) error {
	var name, addr string
	var ms int
	if _, err := fmt.Sscan(orders, &name, &addr, &ms); err != nil {
		return err
	}
	l, ok := libraryNamed(name)
	if !ok {
		return fmt.Errorf("no library %q", name)
	}
	c, err := l.open(setting{addr: addr, ttl: time.Duration(ms) * time.Millisecond})
	if err != nil {
		return err
	}
	h := begin(context.Background(), c, key)
	go func() {
		<-h.entered
		fmt.Println("inside")
		<-h.lost
		fmt.Println("told")
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// process is another process that works under the lock.
type process struct {
	cmd   *exec.Cmd
	lines chan string
}

func (s *stage) launch() *process {
	self, err := os.Executable()
	check(err)
	p := &process{cmd: exec.Command(self), lines: make(chan string, 2)}
	p.cmd.Env = append(os.Environ(), ordersVariable+"="+strings.Join([]string{s.name, s.server.Addr(), strconv.FormatInt(lease.Milliseconds(), 10)}, " "))
	p.cmd.Stderr = os.Stderr
	leash, err := p.cmd.StdinPipe()
	check(err)
	out, err := p.cmd.StdoutPipe()
	check(err)
	check(p.cmd.Start())
	go func() {
		for said := bufio.NewScanner(out); said.Scan(); {
			p.lines <- said.Text()
		}
		close(p.lines)
	}()
	s.owner.Cleanup(func() {
		_ = leash.Close()
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	if !p.says("inside", patience) {
		panic("the other process did not get the lock")
	}
	return p
}

func (p *process) says(line string, limit time.Duration) bool {
	select {
	case said := <-p.lines:
		return said == line
	case <-time.After(limit):
		return false
	}
}

func stoppedProcess(s *stage) string {
	first := s.launch()
	second := begin(s, s.near(lease), key)
	time.Sleep(settle)
	check(first.cmd.Process.Signal(syscall.SIGSTOP))
	entered := second.enters(patience)
	check(first.cmd.Process.Signal(syscall.SIGCONT))
	began := time.Now()
	if !entered {
		return "the other never acquires: " + quote(second.outcome())
	}
	defer second.end()
	if !first.says("told", patience) {
		return "**never cancelled, both work**"
	}
	return "on waking, cancelled " + span(time.Since(began))
}

func killedProcess(s *stage) string {
	first := s.launch()
	c := s.near(lease)
	second := begin(s, c, key)
	time.Sleep(settle)
	check(first.cmd.Process.Kill())
	left, err := s.direct.PTTL(s, c.stored(key)).Result()
	check(err)
	ends := time.Now().Add(left)
	if !second.enters(patience) {
		return "never acquires: " + quote(second.outcome())
	}
	defer second.end()
	return "when the lease ends, acquires " + span(second.since.Sub(ends))
}
