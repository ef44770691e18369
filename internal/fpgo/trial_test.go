package fpgo_test

import (
	"context"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// trial is one use of an operator, with a lock of its own, in virtual time.
type trial struct {
	*testing.T
	operator string
	store    *memory.Backing
	lock     *mutex.Mutex
	asked    atomic.Int64 // how often the program was handed an error
}

func newTrial(t *testing.T, operator string) *trial {
	t.Helper()
	store := memory.New()
	lock, err := mutex.New(store, "report", mutex.Config{})
	require.NoError(t, err)
	return &trial{T: t, operator: operator, store: store, lock: lock}
}

// of is the operator applied to the parts; those that are missing work and do nothing.
func (tr *trial) of(p parts) effect.Effect[int] {
	p.asked = func(error) { tr.asked.Add(1) }
	if p.first == nil {
		p.first = effect.Succeed(1)
	}
	if p.second == nil {
		p.second = effect.Succeed(2)
	}
	if p.derive == nil {
		p.derive = context.WithCancel
	}
	if p.released == nil {
		p.released = effect.Succeed(true)
	}
	return uses[tr.operator](p)
}

type ending struct {
	value    int
	err      error
	panicked any
	unwound  bool // by a panic or runtime.Goexit
}

// run calls an effect on a goroutine of its own, so that a Goexit ends that one.
func run(ctx context.Context, eff effect.Effect[int]) (e ending) {
	e.unwound = true
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { e.panicked = recover() }()
		e.value, e.err = eff(ctx)
		e.unwound = false
	}()
	<-done
	return e
}

// locked runs the operator under the lock.
func (tr *trial) locked(ctx context.Context, p parts) ending {
	return run(ctx, mutex.WithLock(tr.lock, tr.of(p)))
}

// lose takes the lock from the work that calls it.
func (tr *trial) lose(ctx context.Context) {
	lock, ok := mutex.FromContext(ctx)
	require.True(tr, ok)
	_, err := tr.store.Release(context.WithoutCancel(ctx), "report", lock.HolderID())
	require.NoError(tr, err)
}

// traits tries everything on an operator.
func traits(t *testing.T, operator string) (traits []string) {
	t.Helper()
	require.NotNil(t, uses[operator])
	for trait, shows := range probes {
		synctest.Test(t, func(t *testing.T) {
			if shows(newTrial(t, operator)) {
				traits = append(traits, trait)
			}
		})
	}
	return traits
}

func heeding(ctx context.Context) (int, error) { return 1, ctx.Err() }

// cancelled runs the operator around the lock, cancels the caller, and returns the error.
func (tr *trial) cancelled() error {
	ctx, cancel := context.WithCancel(tr.Context())
	defer time.AfterFunc(time.Second, cancel).Stop()
	_, err := tr.of(parts{
		first: mutex.WithLock(tr.lock, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }),
	})(ctx)
	return err
}

// overlaps reports whether second starts before first has ended.
func (tr *trial) overlaps() bool {
	var running, overlap atomic.Bool
	tr.locked(tr.Context(), parts{
		first: func(context.Context) (int, error) {
			running.Store(true)
			time.Sleep(time.Second)
			running.Store(false)
			return 1, nil
		},
		second: func(context.Context) (int, error) {
			time.Sleep(time.Millisecond)
			overlap.Store(running.Load())
			return 2, nil
		},
	})
	return overlap.Load()
}

// A panic that nothing can recover ends the process, so it is tried in another one.
const crashing = "EFFECTLOCK_FPGO_CRASH"

func (tr *trial) crash() bool {
	again := exec.Command(os.Args[0], "-test.run=^TestAPanicBesideTheCaller$")
	again.Env = append(os.Environ(), crashing+"="+tr.operator)
	output, err := again.CombinedOutput()
	if err != nil {
		assert.Contains(tr, string(output), "panic: boom")
	}
	return err != nil
}
