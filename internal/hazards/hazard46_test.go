package hazards_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

// countingClient is a client of a program that counts its commands.
type countingClient struct {
	goredis.UniversalClient
	commands atomic.Int64
}

func (c *countingClient) Process(ctx context.Context, cmd goredis.Cmder) error {
	c.commands.Add(1)
	return c.UniversalClient.Process(ctx, cmd)
}

// A client of the user's own type shows no more of a Cluster's client than the interface
// does. Some of the locks are on other masters than the one that the process happens
// to be subscribed to.
func TestHazard46_TwoNeverHoldALockWhateverTheClustersClientIsWrappedIn(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var names []string
	for _, master := range c.masters {
		names = append(names, c.ownedBy(t, master, 2)...)
	}
	for name, wrap := range map[string]func(goredis.UniversalClient) goredis.UniversalClient{
		"embedded": func(c goredis.UniversalClient) goredis.UniversalClient {
			return struct{ goredis.UniversalClient }{c}
		},
		"counted": func(c goredis.UniversalClient) goredis.UniversalClient {
			return &countingClient{UniversalClient: c}
		},
		"twice": func(c goredis.UniversalClient) goredis.UniversalClient {
			return &countingClient{UniversalClient: struct{ goredis.UniversalClient }{c}}
		},
	} {
		t.Run(name, func(t *testing.T) { // one at a time: the locks are the same
			var processes []backing.Backing
			var clients []goredis.UniversalClient
			for range 3 {
				client := wrap(c.Client(t))
				clients = append(clients, client)
				processes = append(processes, redis.New(client))
			}
			takeTurns(t, 4*time.Second, bound+little, names, processes...)
			for i, client := range clients {
				if counted, ok := client.(*countingClient); ok {
					assert.Positive(t, counted.commands.Load(), "process %d went round its own client", i)
				}
			}
			c.assertFree(t)
		})
	}
}

// A wrapped client and one that is not are of one mind.
func TestHazard46_AWrappedClientSharesLocksWithOneThatIsNot(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	wrapped := redis.New(&countingClient{UniversalClient: c.Client(t)})
	var names []string
	for i := range 6 {
		names = append(names, fmt.Sprint(key, i))
	}
	takeTurns(t, 4*time.Second, bound+little, names, wrapped, c.process(t))
	c.assertFree(t)
}
