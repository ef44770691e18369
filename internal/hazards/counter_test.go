package hazards_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

const counterVariable = "EFFECTLOCK_HAZARDS_COUNTER"

// A counter is a process of its own, which begins before the tests would.
func init() {
	if addr, ok := os.LookupEnv(counterVariable); ok {
		os.Exit(count(addr))
	}
}

// tokensKey is the list of the tokens of all grants, in the order of the grants.
const tokensKey = "tokens"

const (
	counters      = 4 // processes
	goroutines    = 5 // of each
	countsOfEach  = 500
	grantsOfCount = counters * goroutines * countsOfEach
)

// count gets the lock again and again, by some goroutines, and writes each token
// down while it has the lock. It returns the process's exit code.
func count(addr string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute) // whatever has become of the test
	defer cancel()
	client := goredis.NewClient(&goredis.Options{Addr: addr})
	defer client.Close()
	m, err := mutex.New(redis.New(client), key, mutex.Config{TTL: long})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	noted := mutex.WithLock(m, func(ctx context.Context) (int64, error) {
		lock, _ := mutex.FromContext(ctx)
		return client.RPush(ctx, tokensKey, lock.Token()).Result()
	})
	var all []effect.Effect[int64]
	for range goroutines {
		all = append(all, func(ctx context.Context) (n int64, err error) {
			for range countsOfEach {
				if n, err = noted(ctx); err != nil {
					break
				}
			}
			return n, err
		})
	}
	if _, err := effect.Run(ctx, effect.All(goroutines, all...)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// runCounters has all counters count, and returns the tokens in the order in which
// they were granted.
func (s store) runCounters(t *testing.T) []uint64 {
	t.Helper()
	binary, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var said [counters]strings.Builder
	var running []*exec.Cmd
	for i := range counters {
		cmd := exec.CommandContext(ctx, binary)
		cmd.Env = append(os.Environ(), counterVariable+"="+s.Addr(), "GOCOVERDIR="+t.TempDir())
		cmd.Stderr = &said[i]
		require.NoError(t, cmd.Start())
		running = append(running, cmd)
	}
	for i, cmd := range running {
		assert.NoError(t, cmd.Wait(), "%s", said[i].String())
		assert.Empty(t, said[i].String()) // such as a data race
	}
	words, err := s.direct.LRange(t.Context(), tokensKey, 0, -1).Result()
	require.NoError(t, err)
	require.NoError(t, s.direct.Del(t.Context(), tokensKey).Err())
	var tokens []uint64
	for _, word := range words {
		token, err := strconv.ParseUint(word, 10, 64)
		require.NoError(t, err)
		tokens = append(tokens, token)
	}
	return tokens
}
