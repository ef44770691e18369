package soak_test

import (
	"context"
	"errors"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// counters are what the locks guard: a number for each key, on a server of their
// own, which no fault touches. So a write is in doubt only if its process is killed.
type counters struct{ client *goredis.Client }

// buffer is small: how many connections a client has at the moment should not show
// as a leak of memory.
const buffer = 4 << 10

func newCounters(addr string) counters {
	return counters{goredis.NewClient(&goredis.Options{
		Addr: addr, ReadBufferSize: buffer, WriteBufferSize: buffer,
		MaxRetries: -1, // the library would not know of the second write
		// A process that is stopped finds its replies when it goes on, but go-redis
		// looks at the time first.
		ReadTimeout: time.Minute, WriteTimeout: time.Minute, PoolTimeout: time.Minute,
	})}
}

func counterOf(key uint16) string { return "counter:" + strconv.Itoa(int(key)) }

func (c counters) get(key uint16) (int, error) {
	n, err := c.client.Get(context.Background(), counterOf(key)).Int()
	if errors.Is(err, goredis.Nil) {
		return 0, nil
	}
	return n, err
}

// fenced is a plain SET of the counter for a token that is no lower than the
// highest that has written.
var fenced = goredis.NewScript(`
local highest = redis.call('GET', KEYS[2])
if highest and tonumber(highest) > tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[2], ARGV[2])
redis.call('SET', KEYS[1], ARGV[1])
return 1`)

// set reports whether the token was good enough.
func (c counters) set(key uint16, n int, token uint64) (bool, error) {
	name := counterOf(key)
	return fenced.Run(context.Background(), c.client, []string{name, name + ":token"}, n, token).Bool()
}
