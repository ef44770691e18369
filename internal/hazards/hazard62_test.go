package hazards_test

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
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
