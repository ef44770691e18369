package soak_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"github.com/effectlock/effectlock/mutex"
)

const (
	ordersVariable = "EFFECTLOCK_SOAK_PROCESS"

	finish = "finish" // what a process is told: begin nothing new
	end    = "end"    // and, when all is still, that it may end

	locksShared = 1000
	keptLong    = 900 // the first of those that are held for long
	goroutines  = 12  // of each process
)

// orders are what a process is told at its start. It ends at once when its
// standard input closes, be it because the test has ended.
type orders struct {
	Lock    string // the address of the locks' server, or of a proxy
	Data    string // the address of the counters' server
	Journal string // its file
	Seed    uint64
	Patient bool // the client tries again by itself, as go-redis does by default
}

// word is what a process says.
type word struct {
	Event      string // ready, sample, quiet, wrong, ended
	At         instant
	Goroutines int
	Operations int64
	Pool       int   // connections that the client knows of
	Live       int64 // bytes of the heap
	InUse      int64 // bytes of the heap with what is free in it
	Resident   int64 // bytes of the process
	Events     map[mutex.EventKind]int64
	What       string
}

var mouth sync.Mutex

func say(w word) {
	w.At = clock()
	line, err := json.Marshal(w)
	if err != nil {
		panic(err)
	}
	mouth.Lock()
	defer mouth.Unlock()
	if _, err := os.Stdout.Write(append(line, '\n')); err != nil {
		os.Exit(4) // nobody listens any more
	}
}

// wrong tells of what must not happen, and is for the process alone to see.
func wrong(format string, args ...any) { say(word{Event: "wrong", What: fmt.Sprintf(format, args...)}) }

// obey reads what the process is told: the contexts end with finish and with end.
func obey() (running, present context.Context) {
	running, stop := context.WithCancel(context.Background())
	present, leave := context.WithCancel(context.Background())
	go func() {
		for {
			var command string
			if _, err := fmt.Fscanln(os.Stdin, &command); err != nil {
				os.Exit(3)
			}
			stop()
			if command == end {
				leave()
				return
			}
		}
	}()
	return running, present
}
