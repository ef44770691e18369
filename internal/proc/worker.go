// Package proc runs copies of the test binary as workers: processes that a test talks to,
// stops, continues and kills. A worker runs the same code as the test, with the race detector
// if the test has it. It ends with the test that started it, however that test ends.
//
//	func TestMain(m *testing.M) {
//		proc.Serve(map[string]proc.Worker{"holder": hold})
//		redistest.Main(m)
//	}
//
//	p := proc.Start[word](t, "holder", orders{Addr: addr})
//	p.Next(time.Minute)
package proc

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

const (
	workerVariable = "EFFECTLOCK_WORKER"
	ordersVariable = "EFFECTLOCK_WORKER_ORDERS"

	// grace is how long a worker may run after its parent has closed its standard input.
	grace = time.Minute
)

// Worker is the main function of a process. It returns the exit code.
type Worker func(*Parent) int

// Serve runs a worker, and does not return, if this process was started as one. Call it first
// in TestMain: a worker should exit before the testing package has parsed a flag, printed a
// line or written a profile.
func Serve(workers map[string]Worker) {
	name, ok := os.LookupEnv(workerVariable)
	if !ok {
		return
	}
	worker, ok := workers[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "%s=%q is not a worker\n", workerVariable, name)
		os.Exit(2)
	}
	p := &Parent{}
	p.running, p.finish = context.WithCancel(context.Background())
	p.present, p.end = context.WithCancel(context.Background())
	go p.listen()
	os.Exit(worker(p))
}

// Parent is the test that started this process.
type Parent struct {
	running, present context.Context
	finish, end      context.CancelFunc

	mu     sync.Mutex
	handle func(line string)
}

// Running ends when the worker should begin nothing new.
func (p *Parent) Running() context.Context { return p.running }

// Present ends when the worker should end. Running has ended by then.
func (p *Parent) Present() context.Context { return p.present }

// Handle sets the function that is called with every other line from the parent.
func (p *Parent) Handle(do func(line string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handle = do
}

// Orders decodes the orders that the process was started with.
func (p *Parent) Orders(into any) {
	if err := json.Unmarshal([]byte(os.Getenv(ordersVariable)), into); err != nil {
		Fail("%s: %v", ordersVariable, err)
	}
}

// Say sends the parent a line.
func (p *Parent) Say(word any) {
	line, err := json.Marshal(word)
	if err != nil {
		Fail("%+v: %v", word, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := os.Stdout.Write(append(line, '\n')); err != nil {
		os.Exit(4) // nobody is reading
	}
}

// Fail ends the worker, and fails its test.
func Fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(2)
}

const finishWord = "finish"

// listen reads the parent's lines until the parent closes standard input.
func (p *Parent) listen() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		switch line := lines.Text(); line {
		case finishWord:
			p.finish()
		default:
			p.mu.Lock()
			handle := p.handle
			p.mu.Unlock()
			if handle != nil {
				handle(line)
			}
		}
	}
	p.finish()
	p.end()
	time.AfterFunc(grace, func() { Fail("did not end") })
}
