package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// machine says on which cores things run.
//
// With server and client on cores of their own, the scheduler cannot move them
// around. An idle core goes to sleep, and takes long to wake up: with commands of
// 20 µs, that would be most of the measured time, and it varies several-fold from
// run to run. So each core has a loop that runs only when nothing else wants to,
// and keeps the core awake.
type machine struct {
	serverCore, clientCore int
	// warnings say what could not be arranged; the figures then vary more.
	warnings []string

	restless []int // the cores that the loops keep awake
	awake    []*exec.Cmd
	leash    []io.Closer
}

const awakeFlag = "-stay-awake"

// noCore leaves the choice to the scheduler.
const noCore = -1

func newMachine() (*machine, error) {
	m := &machine{serverCore: noCore, clientCore: noCore}
	cores, err := allowedCores()
	switch {
	case err != nil:
		m.warn("processes are not pinned to cores: %v", err)
	case len(cores) < 2:
		m.serverCore, m.clientCore = cores[0], cores[0]
		m.warn("there is only one core: server and clients share it")
	default:
		m.serverCore, m.clientCore = cores[0], cores[1]
	}
	if err == nil {
		if err := tryPinning(m.clientCore); err != nil {
			m.serverCore, m.clientCore = noCore, noCore
			m.warn("processes are not pinned to cores: %v", err)
		}
	}
	if m.serverCore != noCore {
		m.restless = cores[:min(2, len(cores))]
	}
	if err := m.keepAwake(); err != nil { // now, so that a refusal is among the warnings
		return nil, err
	}
	return m, nil
}

func (m *machine) warn(format string, args ...any) {
	m.warnings = append(m.warnings, fmt.Sprintf(format, args...))
}

// keepAwake starts the loops, unless they run already.
func (m *machine) keepAwake() error {
	if len(m.awake) > 0 {
		return nil
	}
	for _, core := range m.restless {
		if err := m.startLoop(core); err != nil {
			m.letSleep()
			return err
		}
	}
	return nil
}

// startLoop starts the loop of one core. It ends with its standard input.
func (m *machine) startLoop(core int) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(exe, awakeFlag, "idle")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := m.start(cmd, core); err != nil {
		return err
	}
	m.awake, m.leash = append(m.awake, cmd), append(m.leash, in)
	var how [64]byte
	n, err := out.Read(how[:])
	if err != nil {
		return errors.New("the loop that keeps a core awake did not start")
	}
	if said := string(how[:n]); said != idlePriority {
		m.restless = nil // one warning is enough
		m.warn("no core is kept awake: %s", said)
	}
	return nil
}

const idlePriority = "idle priority"

// stayAwake is the loop's process.
func stayAwake() int {
	if err := toIdlePriority(); err != nil {
		// A loop of ordinary priority would take half the core.
		fmt.Printf("idle priority is refused: %v", err)
		return 0
	}
	fmt.Print(idlePriority)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for spin := 0; ; spin++ {
		_ = spin
	}
}

// start starts a process on a core. It must be called by the main goroutine.
func (m *machine) start(cmd *exec.Cmd, core int) error {
	dieWithParent(cmd)
	if core == noCore {
		return cmd.Start()
	}
	return startPinned(cmd, core)
}

// letSleep ends the loops.
func (m *machine) letSleep() {
	for i, cmd := range m.awake {
		_ = m.leash[i].Close()
		_ = cmd.Wait()
	}
	m.awake, m.leash = nil, nil
}
