package hazards_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

const busyVariable = "EFFECTLOCK_HAZARDS_BUSY"

// toil is what a busy process is told.
type toil struct {
	Addr   string
	TTL    time.Duration
	Work   time.Duration // how long the work spins under the lock
	Others int           // goroutines that spin as long
	Asks   bool          // the work ends by asking the store who has the lock
}

// outcome is what became of it.
type outcome struct {
	Lost     mutex.LossReason // "" if WithLock did not fail with a loss
	Error    string           // "" if it succeeded
	Token    uint64
	Owned    bool          // what the store said
	Spun     time.Duration // how long the work really took
	Observed int           // losses that the observer was told
}

// A busy process begins here, and not in TestMain, because a program that must not
// be preempted cannot have started anything else.
func init() {
	encoded, ok := os.LookupEnv(busyVariable)
	if !ok {
		return
	}
	var o toil
	err := json.Unmarshal([]byte(encoded), &o)
	if err == nil {
		err = o.do()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(0)
}

// do spins under the lock, and prints what became of it.
func (o toil) do() error {
	client := goredis.NewClient(&goredis.Options{Addr: o.Addr})
	var said outcome
	m, err := mutex.New(redis.New(client), key, mutex.Config{TTL: o.TTL, Observer: func(e mutex.Event) {
		if e.Kind == mutex.Lost {
			said.Observed++
		}
	}})
	if err != nil {
		return err
	}
	pace := measure()
	_, err = mutex.WithLock(m, func(ctx context.Context) (none struct{}, err error) {
		lock, _ := mutex.FromContext(ctx)
		said.Token = lock.Token()
		began := time.Now()
		for range o.Others {
			go spin(pace * int(o.Work/time.Millisecond))
		}
		spin(pace * int(o.Work/time.Millisecond))
		said.Spun = time.Since(began)
		if o.Asks {
			owner, err := client.Get(context.Background(), "dmutex:"+key).Result()
			said.Owned = err == nil && owner == lock.HolderID()
		}
		return none, nil
	})(context.Background())
	if err != nil {
		said.Error = err.Error()
		if lost, ok := errors.AsType[*mutex.LockLostError](err); ok {
			said.Lost = lost.Reason
		}
	}
	return json.NewEncoder(os.Stdout).Encode(said)
}

// spin calls no function, so only a signal can make it yield.
func spin(rounds int) {
	sum := uint32(1)
	for i := range rounds {
		sum = sum*1664525 + uint32(i) //nolint:gosec // it may overflow
	}
	spun.Store(sum)
}

var spun atomic.Uint32 // so that the compiler does not see through it

// measure is how many rounds take about a millisecond: at the best of several
// times, for a loaded machine is slower at any.
func measure() int {
	const rounds = 1_000_000
	best := time.Second
	for range 20 {
		began := time.Now()
		spin(rounds)
		best = min(best, time.Since(began))
	}
	return rounds * int(time.Millisecond) / int(best)
}

// begin starts a busy process, on one thread for Go code. It ends by itself;
// ended waits for that.
func (o toil) begin(t *testing.T, preempted bool) (ended func() outcome) {
	t.Helper()
	encoded, err := json.Marshal(o)
	require.NoError(t, err)
	binary, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	cmd := exec.CommandContext(ctx, binary)
	cmd.Env = append(os.Environ(), busyVariable+"="+string(encoded), "GOMAXPROCS=1", "GOCOVERDIR="+t.TempDir())
	if !preempted {
		cmd.Env = append(cmd.Env, "GODEBUG=asyncpreemptoff=1")
	}
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	require.NoError(t, cmd.Start())
	wait := sync.OnceValue(cmd.Wait)
	t.Cleanup(func() {
		cancel()
		_ = wait()
	})
	return func() (said outcome) {
		t.Helper()
		require.NoError(t, wait(), "%s", &complaints)
		require.NoError(t, json.Unmarshal(out.Bytes(), &said), "%s", &out)
		return said
	}
}
