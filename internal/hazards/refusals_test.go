package hazards_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/redis"
)

// refusal is a way in which a server refuses what it is asked.
type refusal struct {
	args      []string // of the server
	says      string   // in the error
	or        string   // what it says instead to some commands
	permanent bool
	closes    bool   // it closes the connection a moment after some refusals: the next command may still be written to it
	spares    string // the operations that it allows all the same, each with a space before and after
	nobody    bool   // the client has no password
	unsent    bool   // no request reaches it, and so nothing is held
	begins    func(t *testing.T, w *refusing) (ends func())
}

const (
	onlyReads = " getHolder isLocked "
	// full is what a server without memory allows: what frees some, and what needs none.
	full = onlyReads + "refresh refreshAll release pass "
)

// refusals have an error of Redis each, and ways in which none comes to that.
var refusals = map[string]refusal{
	"a replica": {says: "READONLY", spares: onlyReads, begins: func(t *testing.T, w *refusing) func() {
		w.Demote("127.0.0.1:1")
		return w.Promote
	}},
	"a replica without a primary": {
		args: []string{"--replica-serve-stale-data", "no"}, says: "MASTERDOWN",
		begins: func(t *testing.T, w *refusing) func() {
			w.Demote("127.0.0.1:1")
			return w.Promote
		},
	},
	"loading": {
		args: []string{"--enable-debug-command", "yes", "--loading-process-events-interval-bytes", "1024", "--rdbcompression", "no"}, says: "LOADING",
		begins: loads,
	},
	"out of memory": {says: "OOM", spares: full, begins: func(t *testing.T, w *refusing) func() {
		w.Configure("maxmemory", "1")
		return func() { w.Configure("maxmemory", "0") }
	}},
	"cannot save": {
		args: []string{"--save", "3600 1000000", "--dbfilename", "snapshot"}, says: "MISCONF", spares: onlyReads,
		begins: cannotSave,
	},
	"too few replicas": {says: "NOREPLICAS", spares: onlyReads, begins: func(t *testing.T, w *refusing) func() {
		w.Configure("min-replicas-to-write", "1")
		return func() { w.Configure("min-replicas-to-write", "0") }
	}},
	"busy": {args: []string{"--lua-time-limit", "20"}, says: "BUSY", begins: isBusy},
	"gone": {
		args: []string{"--appendonly", "yes", "--appendfsync", "always"}, says: "connection refused", unsent: true,
		begins: func(t *testing.T, w *refusing) func() {
			w.Kill()
			return w.Restart
		},
	},
	"another program": {says: "HTTP/1.1", unsent: true, begins: isAnother},
	// To one who has not logged in it says no more than that about a command of more
	// than ten words.
	"asks for a password": {says: "NOAUTH", or: "unauthenticated", permanent: true, closes: true, nobody: true, begins: func(t *testing.T, w *refusing) func() {
		// A connection that is there has logged in already.
		c := w.direct.Conn()
		ctx := context.WithoutCancel(t.Context())
		require.NoError(t, c.ConfigSet(ctx, "requirepass", "another").Err())
		require.NoError(t, c.ClientKillByFilter(ctx, "TYPE", "normal", "SKIPME", "yes").Err())
		eventually(t, func() bool {
			list, err := c.Do(ctx, "CLIENT", "LIST", "TYPE", "normal").Text()
			return err == nil && strings.Count(list, "\n") == 1
		}, "the connections that had logged in are closed")
		return func() {
			assert.NoError(t, c.ConfigSet(ctx, "requirepass", "").Err())
			assert.NoError(t, c.Close())
		}
	}},
	"has another password": {says: "WRONGPASS", permanent: true, begins: func(t *testing.T, w *refusing) func() {
		w.Allow(user, "resetpass", ">another")
		return func() { w.Allow(user, ">"+password) }
	}},
	"forbids scripts": {says: "NOPERM", permanent: true, spares: onlyReads, begins: func(t *testing.T, w *refusing) func() {
		w.Allow(user, "-evalsha", "-eval")
		return func() { w.Allow(user, "+evalsha", "+eval") }
	}},
	"forbids a command of the scripts": {says: "The user executing the script", or: "NOPERM", permanent: true, begins: func(t *testing.T, w *refusing) func() {
		w.Allow(user, "-get", "-zrem", "-exists", "-set")
		return func() { w.Allow(user, "+@all") }
	}},
}

const user, password = "app", "secret"

// refusing is a server that may refuse, and a process that uses it.
type refusing struct {
	store
	routed // where the process finds the server
	b      *asked
}

// eachRefusal runs a test with each refusal. The test calls begins and ends.
func eachRefusal(t *testing.T, test func(t *testing.T, r refusal, w *refusing)) {
	t.Helper()
	for name, r := range refusals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &refusing{store: newStore(t, append([]string{"--user", user, "on", ">" + password, "~*", "&*", "+@all"}, r.args...)...)}
			w.goes(w.Addr())
			// It repeats what a connection was too broken to answer.
			o := &goredis.Options{
				Addr: w.Addr(), Username: user, Password: password, DialerRetries: 1,
				// After as many refused connections go-redis would leave a goroutine behind,
				// which ends a second after its client.
				PoolSize: 1000,
				Dialer:   w.dial,
			}
			if r.nobody {
				o.Username, o.Password = "", ""
			}
			c := goredis.NewClient(o)
			t.Cleanup(func() { _ = c.Close() })
			w.b = &asked{Backing: redis.New(c)}
			connect(t, w.b.Backing)
			test(t, r, w)
		})
	}
}

func (r refusal) allows(operation string) bool { return strings.Contains(r.spares, " "+operation+" ") }

// loads has the server read again what it has, for as long as it takes: a
// connection is answered now and then meanwhile.
func loads(t *testing.T, w *refusing) func() {
	t.Helper()
	pipe := w.direct.Pipeline()
	for n := range 4000 {
		pipe.Set(t.Context(), fmt.Sprint("filler:", n), strings.Repeat("x", 1000), 0) // it answers after each
	}
	_, err := pipe.Exec(t.Context())
	require.NoError(t, err)
	w.Configure("key-load-delay", "5000") // 20 s in all
	return w.occupied(t, "LOADING", func() { w.Configure("key-load-delay", "0") }, "DEBUG", "RELOAD")
}

// isBusy has the server run a script that does not end.
func isBusy(t *testing.T, w *refusing) func() {
	t.Helper()
	return w.occupied(t, "BUSY", func() {
		assert.NoError(t, w.direct.ScriptKill(context.WithoutCancel(t.Context())).Err())
	}, "EVAL", "while true do end", 0)
}

// occupied gives the server a command that keeps it from all others, until it is
// released by stop.
func (w *refusing) occupied(t *testing.T, says string, stop func(), command ...any) (ends func()) {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: w.Addr(), MaxRetries: -1, ReadTimeout: -1})
	var running sync.WaitGroup
	running.Go(func() { _ = c.Do(context.WithoutCancel(t.Context()), command...).Err() })
	t.Cleanup(func() {
		w.Kill()
		running.Wait()
		_ = c.Close()
	})
	eventually(t, func() bool {
		err := w.direct.Get(t.Context(), "x").Err()
		return err != nil && strings.HasPrefix(err.Error(), says)
	}, "it says %s", says)
	return func() {
		stop()
		running.Wait()
	}
}

// cannotSave has something in the way of the server's snapshot.
func cannotSave(t *testing.T, w *refusing) func() {
	t.Helper()
	dir, err := w.direct.ConfigGet(t.Context(), "dir").Result()
	require.NoError(t, err)
	obstacle := filepath.Join(dir["dir"], "snapshot")
	require.NoError(t, os.Mkdir(obstacle, 0o700))
	saves := func(state string) {
		eventually(t, func() bool {
			_ = w.direct.BgSave(t.Context()).Err() // refused while one is under way
			info, err := w.direct.InfoMap(t.Context(), "persistence").Result()
			return err == nil && info["Persistence"]["rdb_last_bgsave_status"] == state
		}, "saving is %s", state)
	}
	saves("err")
	return func() {
		require.NoError(t, os.Remove(obstacle))
		saves("ok")
	}
}

// isAnother has another program listen where the server was.
func isAnother(t *testing.T, w *refusing) func() {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { // a client may connect and send nothing
				_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
				_ = c.SetReadDeadline(time.Now().Add(little))
				_, _ = c.Read(make([]byte, 4096))
				_ = c.Close()
			})
		}
	})
	stop := sync.OnceFunc(func() {
		_ = l.Close()
		running.Wait()
	})
	t.Cleanup(stop)
	w.goes(l.Addr().String())
	require.NoError(t, w.direct.ClientKillByFilter(t.Context(), "USER", user).Err())
	return func() {
		w.goes(w.Addr())
		stop()
	}
}
