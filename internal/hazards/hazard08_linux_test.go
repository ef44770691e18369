package hazards_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// lonelyVariable has the address at which the process of a lonely holder finds
// the server.
const lonelyVariable = "EFFECTLOCK_HAZARDS_LONELY"

// The same with a holder that is a process, which says by the clock that all
// processes of a machine share when its work was cancelled.
func TestHazard08_AProcessThatIsCutOffStopsBeforeAnotherBegins(t *testing.T) {
	if addr, ok := os.LookupEnv(lonelyVariable); ok {
		os.Exit(holdUntilLost(addr))
	}
	t.Parallel()
	for name, cuts := range map[string]func(*redistest.Proxy){
		"nothing passes":        (*redistest.Proxy).Cut,
		"all connections break": func(p *redistest.Proxy) { p.Cut(); p.Reset() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTrainedStore(t)
			network := redistest.NewProxy(t, s.Addr())
			network.Delay(lag)
			said := launchLonely(t, network.Addr())
			require.Contains(t, next(t, said), "inside")
			asked := s.scripts(t)
			eventually(t, func() bool { return s.scripts(t) > asked+1 }, "it refreshes")
			rival := contend(t, s.process(t), key, mutex.Config{TTL: long})
			s.awaitQueue(t, 1)
			asked = s.scripts(t)
			eventually(t, func() bool { return s.scripts(t) > asked }, "it refreshes")
			// The reply passes, and the next refresh is not due yet: the server counts
			// the lease from the same request as the holder. Else the trial is easier.
			time.Sleep(lag + lag/2)
			cuts(network)

			var stopped, paused int64
			_, err := fmt.Sscanf(next(t, said), "cancelled %d, paused %d", &stopped, &paused)
			require.NoError(t, err)
			rival.enters(t, lease+soon)
			began := monotonic() - time.Since(rival.since).Nanoseconds()
			assert.Less(t, stopped-paused, began, "two worked, for %v", time.Duration(stopped-began))
			network.Heal()
			assert.Contains(t, next(t, said), mutex.Expired)
			s.assertHolds(t, rival)
			rival.letsGo(t)
			s.isFree(t, soon)
		})
	}
}

// holdUntilLost is the process of a holder. It ends when it has lost the lock, or
// when its standard input closes, be it because the test that started it has ended.
func holdUntilLost(addr string) int {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	m, err := mutex.New(redis.New(goredis.NewClient(&goredis.Options{Addr: addr})), key, mutex.Config{TTL: lease, RefreshInterval: 2 * lag})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	_, err = mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
		fmt.Println("inside")
		p := newPulse()
		<-ctx.Done()
		now := monotonic()
		fmt.Printf("cancelled %d, paused %d\n", now, p.longestPause())
		return effect.Void{}, ctx.Err()
	})(context.Background())
	fmt.Println("ended:", strings.ReplaceAll(fmt.Sprint(err), "\n", " "))
	return 0
}

// launchLonely starts the process of a holder, and returns what it says. It is
// ended, if need be, when the test ends.
func launchLonely(t *testing.T, addr string) <-chan string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestHazard08_AProcessThatIsCutOffStopsBeforeAnotherBegins$")
	cmd.Env = append(os.Environ(), lonelyVariable+"="+addr, "GOCOVERDIR="+t.TempDir())
	var complaints strings.Builder // such as a data race
	cmd.Stderr = &complaints
	leash, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	said, ended := make(chan string, 10), make(chan struct{})
	go func() {
		defer close(ended)
		defer close(said)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			said <- lines.Text()
		}
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = leash.Close()
		<-ended
		assert.Empty(t, complaints.String())
	})
	return said
}

func next(t *testing.T, said <-chan string) string {
	t.Helper()
	select {
	case line, ok := <-said:
		require.True(t, ok, "the process has ended")
		return line
	case <-time.After(patience):
		require.Fail(t, "the process says nothing")
		return ""
	}
}

// monotonic is the time of CLOCK_MONOTONIC in nanoseconds. The time package has
// the same clock, but tells it only from the start of a process.
func monotonic() int64 {
	const clock = 1
	var now syscall.Timespec
	if _, _, failed := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&now)), 0); failed != 0 {
		panic(failed)
	}
	return now.Nano()
}
