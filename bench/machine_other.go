//go:build !linux

package main

import (
	"errors"
	"os/exec"
	"runtime"
)

var errNotLinux = errors.New("that is only known to work on Linux, and this is " + runtime.GOOS)

func allowedCores() ([]int, error)           { return nil, errNotLinux }
func tryPinning(int) error                   { return errNotLinux }
func startPinned(cmd *exec.Cmd, _ int) error { return cmd.Start() }
func toIdlePriority() error                  { return errNotLinux }
func dieWithParent(*exec.Cmd)                {}
func residentMemory() float64                { return 0 }
func cpuModel() string                       { return runtime.GOARCH }
func loadAverage() string                    { return "unknown" }
