package histories_test

import (
	"context"
	"fmt"

	goredis "github.com/redis/go-redis/v9"
)

// register is a resource that the lock protects, and that does not rely on the
// lock: it refuses a token that is lower than the highest it has accepted. It is
// on a server of its own, as the resource of a lock usually is; so it can be reached
// when the lock's server cannot, and the other way round.
type register struct{ client *goredis.Client }

// swap answers whether it has accepted the write, and what there was before. Tokens
// are compared as numbers: a double is exact below 2^53, and microseconds since
// 1970 are.
var swap = goredis.NewScript(`
local token = redis.call('HGET', KEYS[1], 'token') or '0'
local before = token .. ' ' .. (redis.call('HGET', KEYS[1], 'value') or '0')
if tonumber(ARGV[1]) < tonumber(token) then
  return '0 ' .. before
end
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'value', ARGV[2])
return '1 ' .. before
`)

func (r register) write(ctx context.Context, key string, v version) (accepted bool, before version, err error) {
	answer, err := swap.Run(ctx, r.client, []string{"register:" + key}, v.Token, v.Value).Text()
	if err != nil {
		return false, before, err
	}
	var yes int
	_, err = fmt.Sscan(answer, &yes, &before.Token, &before.Value)
	return yes == 1, before, err
}

// highest is a token that every register accepts.
const highest = 1<<53 - 1
