package hazards_test

import (
	"crypto/tls"
	"fmt"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/internal/redistest"
)

// otherServer is a kind of server in docs/servers.md: a real one, or a real Redis behind something
// that answers as that server does.
type otherServer struct {
	client func() goredis.UniversalClient // makes the client of one more process
	polls  bool                           // whether waiters must poll
	says   string                         // the error of acquires, if no lock can be had
	passes bool                           // whether that error is not permanent
}

// otherServers are the rows of docs/servers.md that were run or imitated.
var otherServers = map[string]func(t *testing.T) otherServer{
	"Redis, one server": func(t *testing.T) otherServer {
		return behind(t, sharedStore(t).Addr())
	},
	"Redis Sentinel": func(t *testing.T) otherServer {
		group := redistest.StartSentinels(t)
		return otherServer{client: func() goredis.UniversalClient { return group.Client(t) }}
	},
	"Redis Cluster": func(t *testing.T) otherServer {
		c := sharedCluster(t)
		return otherServer{client: func() goredis.UniversalClient { return c.Client(t) }}
	},
	"TLS": func(t *testing.T) otherServer {
		authority := redistest.NewAuthority(t)
		s := redistest.StartTLS(t, authority.Issue(t, "127.0.0.1", time.Now().Add(time.Hour)))
		return behind(t, s.TLSAddr(), func(o *goredis.Options) {
			o.TLSConfig = &tls.Config{RootCAs: authority.Pool(), MinVersion: tls.VersionTLS12}
		})
	},
	"HAProxy": func(t *testing.T) otherServer {
		return behind(t, redistest.StartHAProxy(t, sharedStore(t).Addr()))
	},
	"twemproxy": func(t *testing.T) otherServer {
		s := behind(t, redistest.StartTwemproxy(t, sharedStore(t).Addr()))
		s.says, s.passes = "EOF: the server closes the connection", true
		return s
	},
	// Two servers; a script goes to the one with its first key.
	"twemproxy, with something that answers HELLO": func(t *testing.T) otherServer {
		proxy := redistest.StartTwemproxy(t, sharedStore(t).Addr(), newStore(t).Addr())
		s := behind(t, redistest.NewShim(t, unknown("hello", "client"), proxy).Addr)
		s.polls = true
		return s
	},
	"Envoy": func(t *testing.T) otherServer {
		rules := unknown("hello", "client", "info", "subscribe", "ssubscribe", "psubscribe")
		s := behind(t, redistest.NewShim(t, rules, sharedStore(t).Addr(), newStore(t).Addr()).Addr)
		s.polls = true
		return s
	},
	"Redis Enterprise": func(t *testing.T) otherServer { // one endpoint, many slots
		return behind(t, redistest.NewShim(t, unknown("cluster"), newEndpoint(t).Addr()).Addr)
	},
	"AWS ElastiCache Serverless": func(t *testing.T) otherServer { // one endpoint that is all of a Cluster
		s := newEndpoint(t)
		return otherServer{client: func() goredis.UniversalClient {
			c := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{s.Addr()}})
			t.Cleanup(func() { _ = c.Close() })
			return c
		}}
	},
	"A managed server that keeps commands from its users": func(t *testing.T) otherServer {
		hidden := unknown("info", "config", "client", "cluster", "script", "wait", "time", "command", "debug", "acl")
		return behind(t, redistest.NewShim(t, hidden, sharedStore(t).Addr()).Addr)
	},
	"A server without RESP3": func(t *testing.T) otherServer {
		return behind(t, redistest.NewShim(t, unknown("hello"), sharedStore(t).Addr()).Addr)
	},
	"A server without pub/sub": func(t *testing.T) otherServer {
		s := newStore(t, "--rename-command", "PUBLISH", "")
		without := behind(t, redistest.NewShim(t, unknown("subscribe"), s.Addr()).Addr)
		without.polls = true
		return without
	},
	"A proxy that closes the connection of a subscriber": func(t *testing.T) otherServer {
		rules := map[string]redistest.Rule{"subscribe": redistest.HangUp()}
		s := behind(t, redistest.NewShim(t, rules, sharedStore(t).Addr()).Addr)
		s.polls = true
		return s
	},
	"A server without scripts": func(t *testing.T) otherServer {
		s := behind(t, redistest.NewShim(t, unknown("eval", "evalsha"), sharedStore(t).Addr()).Addr)
		s.says = "ERR unknown command 'evalsha'"
		return s
	},
	"Garnet without --lua": func(t *testing.T) otherServer {
		s := otherServer{says: "ERR This instance has Lua scripting support disabled"}
		rule := redistest.Refuse(s.says)
		shim := redistest.NewShim(t, map[string]redistest.Rule{"eval": rule, "evalsha": rule}, sharedStore(t).Addr())
		s.client = behind(t, shim.Addr).client
		return s
	},
}

// behind returns the server at an address, with clients of a single server.
func behind(t *testing.T, addr string, set ...func(*goredis.Options)) otherServer {
	t.Helper()
	return otherServer{client: func() goredis.UniversalClient {
		o := &goredis.Options{Addr: addr}
		for _, f := range set {
			f(o)
		}
		c := goredis.NewClient(o)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}}
}

// unknown returns rules that refuse commands as Redis refuses unknown ones.
func unknown(commands ...string) map[string]redistest.Rule {
	rules := map[string]redistest.Rule{}
	for _, c := range commands {
		rules[c] = redistest.Refuse(fmt.Sprintf("ERR unknown command '%s', with args beginning with: ", c))
	}
	return rules
}
