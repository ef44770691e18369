package hazards_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

// refusal is a fault in which the server refuses requests.
type refusal struct {
	fault
	args      []string // of the server
	says      string   // a part of the error
	or        string   // what it says instead to some commands
	permanent bool
	late      bool   // permanent only once it has lasted a second
	spares    string // the operations that it still allows, each with a space before and after
	nobody    bool   // the client has no password
	unsent    bool   // no request reaches it, and so nothing is held
}

const (
	onlyReads = " getHolder isLocked "
	// spared is what a server that is out of memory allows: operations that free some or need none.
	spared = onlyReads + "refresh refreshAll release pass "
)

const user, password = "app", "secret"

// demoted makes the server a replica of a primary that nobody can reach.
func demoted(f site) (mend func()) {
	f.Demote("127.0.0.1:1")
	return f.Promote
}

// configured changes a setting of the server, and restores the usual value.
func configured(name, value, usual string) func(f site) (mend func()) {
	return func(f site) func() {
		f.Configure(name, value)
		return func() { f.Configure(name, usual) }
	}
}

// forbidden changes the rules for the user.
func forbidden(rule, usual string) func(f site) (mend func()) {
	return func(f site) func() {
		f.Allow(user, strings.Fields(rule)...)
		return func() { f.Allow(user, usual) }
	}
}

// refusals each have an error of Redis, except the one in which the server is killed.
var refusals = []refusal{
	{fault: fault{"a replica", demoted}, says: "READONLY", spares: onlyReads},
	{fault: fault{"a replica without a primary", demoted}, args: []string{"--replica-serve-stale-data", "no"}, says: "MASTERDOWN"},
	{
		fault: fault{"loading", loads}, says: "LOADING",
		args: []string{"--enable-debug-command", "yes", "--loading-process-events-interval-bytes", "1024", "--rdbcompression", "no"},
	},
	{fault: fault{"out of memory", configured("maxmemory", "1", "0")}, says: "OOM", spares: spared},
	{fault: fault{"cannot save", cannotSave}, args: []string{"--save", "3600 1000000", "--dbfilename", "snapshot"}, says: "MISCONF", spares: onlyReads},
	{fault: fault{"too few replicas", configured("min-replicas-to-write", "1", "0")}, says: "NOREPLICAS", spares: onlyReads},
	{fault: fault{"busy", isBusy}, args: []string{"--lua-time-limit", "20"}, says: "BUSY"},
	{fault: killed, args: []string{"--appendonly", "yes", "--appendfsync", "always"}, says: "connection refused", unsent: true},
	// To a client that has not logged in, the server says only "unauthenticated" about a command
	// of more than ten words.
	{fault: fault{"asks for a password", asksForPassword}, says: "NOAUTH", or: "unauthenticated", permanent: true, late: true, nobody: true},
	{fault: fault{"has another password", forbidden("resetpass >another", ">"+password)}, says: "WRONGPASS", permanent: true, late: true},
	{fault: fault{"forbids scripts", forbidden("-evalsha -eval", "+@all")}, says: "NOPERM", permanent: true, spares: onlyReads},
	{
		fault: fault{"forbids a command of the scripts", forbidden("-get -zrem -exists -set", "+@all")},
		says:  "The user executing the script", or: "NOPERM", permanent: true,
	},
}

func (r refusal) allows(operation string) bool { return strings.Contains(r.spares, " "+operation+" ") }

// site is a process that uses a server that may refuse. Its client retries by itself when a
// connection is too broken to answer.
func (r refusal) site(t *testing.T) (site, *spy) {
	t.Helper()
	s := newStore(t, append([]string{"--user", user, "on", ">" + password, "~*", "&*", "+@all"}, r.args...)...)
	f := site{store: s}
	// After as many refused connections as its pool is large, go-redis would leave a goroutine
	// behind, which ends a second after its client.
	o := goredis.Options{Username: user, Password: password, DialerRetries: 1, PoolSize: 1000}
	if r.nobody {
		o.Username, o.Password = "", ""
	}
	f.near = redis.New(s.client(o))
	connect(t, f.near)
	return f, spyOn(t, f.near)
}

// isSaid reports whether err is what the server says.
func (r refusal) isSaid(err error) bool {
	return err != nil && (strings.Contains(err.Error(), r.says) || r.or != "" && strings.Contains(err.Error(), r.or))
}

// assertSaid asserts that err is what the server says, and that it is permanent or not, as it
// should be.
func (r refusal) assertSaid(t *testing.T, err error) {
	t.Helper()
	assert.True(t, r.isSaid(err), "%v", err)
	if !r.late { // otherwise it depends on how long it has lasted
		assert.Equal(t, r.permanent, backing.IsPermanent(err), "%v", err)
	}
}

// asksForPassword closes the connections that have logged in already, except one.
func asksForPassword(f site) func() {
	c := f.direct.Conn()
	ctx := context.WithoutCancel(f.t.Context())
	require.NoError(f.t, c.ConfigSet(ctx, "requirepass", "another").Err())
	require.NoError(f.t, c.ClientKillByFilter(ctx, "TYPE", "normal", "SKIPME", "yes").Err())
	eventually(f.t, func() bool {
		list, err := c.Do(ctx, "CLIENT", "LIST", "TYPE", "normal").Text()
		return err == nil && strings.Count(list, "\n") == 1
	}, "the connections that had logged in are closed")
	return func() {
		assert.NoError(f.t, c.ConfigSet(ctx, "requirepass", "").Err())
		assert.NoError(f.t, c.Close())
	}
}

// loads makes the server reload its data, for as long as the test takes: the server answers a
// connection now and then meanwhile.
func loads(f site) func() {
	f.t.Helper()
	pipe := f.direct.Pipeline()
	for n := range 4000 {
		pipe.Set(f.t.Context(), fmt.Sprint("filler:", n), strings.Repeat("x", 1000), 0) // it answers after each one
	}
	_, err := pipe.Exec(f.t.Context())
	require.NoError(f.t, err)
	f.Configure("key-load-delay", "5000") // 20 s in all
	return f.occupied("LOADING", func() { f.Configure("key-load-delay", "0") }, "DEBUG", "RELOAD")
}

// isBusy makes the server run a script that does not end.
func isBusy(f site) func() {
	f.t.Helper()
	return f.occupied("BUSY", func() {
		assert.NoError(f.t, f.direct.ScriptKill(context.WithoutCancel(f.t.Context())).Err())
	}, "EVAL", "while true do end", 0)
}

// occupied gives the server a command that keeps it from all others until stop releases it.
func (f site) occupied(says string, stop func(), command ...any) (ends func()) {
	f.t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: f.Addr(), MaxRetries: -1, ReadTimeout: -1})
	var running sync.WaitGroup
	running.Go(func() { _ = c.Do(context.WithoutCancel(f.t.Context()), command...).Err() })
	f.t.Cleanup(func() {
		f.Kill()
		running.Wait()
		_ = c.Close()
	})
	eventually(f.t, func() bool {
		err := f.direct.Get(f.t.Context(), "x").Err()
		return err != nil && strings.HasPrefix(err.Error(), says)
	}, "the server says %s", says)
	return func() {
		stop()
		running.Wait()
	}
}

// cannotSave puts something in the way of the server's snapshot.
func cannotSave(f site) func() {
	f.t.Helper()
	dir, err := f.direct.ConfigGet(f.t.Context(), "dir").Result()
	require.NoError(f.t, err)
	obstacle := filepath.Join(dir["dir"], "snapshot")
	require.NoError(f.t, os.Mkdir(obstacle, 0o700))
	saves := func(state string) {
		eventually(f.t, func() bool {
			_ = f.direct.BgSave(f.t.Context()).Err() // refused while one is under way
			info, err := f.direct.InfoMap(f.t.Context(), "persistence").Result()
			return err == nil && info["Persistence"]["rdb_last_bgsave_status"] == state
		}, "saving is %s", state)
	}
	saves("err")
	return func() {
		require.NoError(f.t, os.Remove(obstacle))
		saves("ok")
	}
}
