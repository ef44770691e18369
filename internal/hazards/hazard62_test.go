package hazards_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// silences are the ways in which a server does not answer, or not in time.
var silences = map[string]struct{ begin, end func(store, *redistest.Proxy) }{
	"the server is frozen":          outages["the server is frozen"],
	"the network is cut":            outages["the network is cut"],
	"replies are held back":         outages["replies are held back"],
	"replies are delayed by 200 ms": {func(_ store, p *redistest.Proxy) { p.Delay(200 * time.Millisecond) }, heal},
}

func TestHazard62_ACallersDeadlineIsKeptWhateverTheServerDoes(t *testing.T) {
	t.Parallel()
	for name, silence := range silences {
		t.Run(name, func(t *testing.T) { // one after the other: the calls of one keep a machine busy
			s := newTrainedStore(t)
			network := redistest.NewProxy(t, s.Addr())
			all := backings(t, network.Addr(), true)
			all["of a URL"] = ofURL(t, network.Addr())
			connect(t, all["of a URL"])
			silence.begin(s, network)
			calls, late := callAll(t, all, everyWay, 25*time.Millisecond, 2*time.Second, 0)
			for _, c := range calls {
				c.keepsDeadline(t, request, late)
			}
			silence.end(s, network)
			for client, b := range all {
				_, err := mutex.AwaitCleanup(b)(t.Context())
				require.NoError(t, err, client)
			}
			eventually(t, func() bool { return len(heldThrough(s.left(t))) == 0 }, "all is free, and not when the leases have ended")
		})
	}
}

// One acquire through each client that any timeouts make, 192 in all.
func TestHazard62_ACallersDeadlineIsKeptByEveryClient(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*redistest.Server){
		"the server is frozen":           (*redistest.Server).Freeze,
		"the server refuses connections": (*redistest.Server).Kill,
	} {
		t.Run(name, func(t *testing.T) { // one after the other: the calls of one keep a machine busy
			t.Cleanup(func() { eventually(t, func() bool { return !isDialling() }, "clients that are closed do not dial") })
			server := newTrainedStore(t).Server
			all := map[string]*redis.Backing{}
			for i, o := range everyClient() {
				o.Addr = server.Addr()
				c := goredis.NewClient(&o)
				all[fmt.Sprint(i)] = closing(t, c)
				connect(t, all[fmt.Sprint(i)])
			}
			begin(server)
			calls, late := callAll(t, all, []string{"Acquire"}, 2*time.Second)
			require.Len(t, calls, 192)
			for _, c := range calls {
				c.keepsDeadline(t, request, late)
				require.Error(t, c.err, "%v", c)
			}
		})
	}
}

// everyClient has all combinations of the settings of a client that bound its calls: each
// as it is by default, and otherwise.
func everyClient() []goredis.Options {
	all := []goredis.Options{{}}
	vary := func(settings ...func(o *goredis.Options)) {
		for _, o := range all {
			for _, set := range settings {
				other := o
				set(&other)
				all = append(all, other)
			}
		}
	}
	vary(func(o *goredis.Options) { o.ReadTimeout = 100 * time.Millisecond }, func(o *goredis.Options) { o.ReadTimeout = -1 })
	vary(func(o *goredis.Options) { o.WriteTimeout = 100 * time.Millisecond })
	vary(func(o *goredis.Options) { o.DialTimeout = 200 * time.Millisecond })
	vary(func(o *goredis.Options) { o.PoolTimeout = 100 * time.Millisecond })
	vary(func(o *goredis.Options) { o.PoolSize = 1 })
	vary(func(o *goredis.Options) { o.MaxRetries = -1 })
	vary(func(o *goredis.Options) { o.ContextTimeoutEnabled = true })
	return all
}

// A server that accepts connections and says nothing, not even at first.
func TestHazard62_ACallersDeadlineIsKeptInABlackHole(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	calls, late := callAll(t, backings(t, l.Addr().String(), false), everyWay, 25*time.Millisecond, 2*time.Second, 0)
	for _, c := range calls {
		c.keepsDeadline(t, request, late)
		require.Error(t, c.err, "%v", c)
	}
}

// heldThrough is what of keys is held through clients that can ask: one whose only connection
// is blocked by its user's command cannot.
func heldThrough(keys []string) []string {
	return slices.DeleteFunc(keys, func(key string) bool {
		for name, o := range clients {
			if o.PoolSize == 1 && strings.HasPrefix(key, "dmutex:"+name+" ") {
				return true
			}
		}
		return false
	})
}
