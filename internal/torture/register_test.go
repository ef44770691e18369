package torture_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// register is a resource that a lock protects, and that does not rely on the lock: it
// refuses a token that is lower than the highest it has accepted. It counts increments,
// which are read and written back by two requests: between them a second holder would do
// its damage. It is on a server of its own, as a protected resource usually is, so it can
// be reachable when the lock's server is not, and vice versa.
type register struct{ client *goredis.Client }

// buffer is small, so that a client's current number of connections does not look like a
// memory leak.
const buffer = 4 << 10

func newRegister(addr string) register {
	return register{goredis.NewClient(&goredis.Options{
		Addr: addr, ReadBufferSize: buffer, WriteBufferSize: buffer,
		MaxRetries:  -1, // a write that the client repeats would be in the journal only once
		ReadTimeout: time.Second, WriteTimeout: time.Second,
	})}
}

// swap returns whether it accepted the write, and the version before it. Tokens are
// compared as numbers: a double is exact below 2^53, as microseconds since 1970 are.
var swap = goredis.NewScript(`
local before = redis.call('HMGET', KEYS[1], 'token', 'value', 'count')
for i = 1, 3 do before[i] = before[i] or '0' end
local all = table.concat(before, ' ')
if tonumber(ARGV[1]) < tonumber(before[1]) then
  return '0 ' .. all
end
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'value', ARGV[2], 'count', ARGV[3])
return '1 ' .. all
`)

func (r register) write(ctx context.Context, key string, v version) (accepted bool, before version, err error) {
	answer, err := swap.Run(ctx, r.client, []string{"register:" + key}, v.Token, v.Value, v.Count).Text()
	if err != nil {
		return false, before, err
	}
	var yes int
	_, err = fmt.Sscan(answer, &yes, &before.Token, &before.Value, &before.Count)
	return yes == 1, before, err
}

// count reads the number of increments.
func (r register) count(ctx context.Context, key string) (int, error) {
	n, err := r.client.HGet(ctx, "register:"+key, "count").Int()
	if errors.Is(err, goredis.Nil) {
		return 0, nil
	}
	return n, err
}

// highest is a token that every register accepts.
const highest = 1<<53 - 1
