package redis

import (
	"errors"
	"fmt"
	"io"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/backing"
)

type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) RedisError()     {}

func TestClassify(t *testing.T) {
	t.Parallel()
	const before70 = "ERR Error running script (call to f_06dc83eaf47cffb03cde4c816405ec18dba262c5): @user_script"
	for _, tt := range []struct {
		err       error
		permanent bool
	}{
		{refusal("WRONGTYPE Operation against a key holding the wrong kind of value"), true},
		{refusal(before70 + ":20: WRONGTYPE Operation against a key holding the wrong kind of value"), true},
		{refusal(before70 + ": 20: -WRONGTYPE Operation against a key holding the wrong kind of value"), true},
		{refusal(before70 + ": 20: The user executing the script can't run this command or subcommand"), true},
		{refusal(before70 + ": 32: -OOM command not allowed when used memory > 'maxmemory'."), false},
		{refusal(before70 + ": 32: -READONLY You can't write against a read only replica."), false},
		{refusal("ERR unknown command 'EVALSHA', with args beginning with: "), true},
		{refusal("ERR ACL failure in script: User worker has no permissions to run the 'time' command"), true},
		{fmt.Errorf("wrapped: %w", refusal("NOPERM this user has no permissions")), true},
		{refusal("ERR max number of clients reached"), false},
		{refusal("CLUSTERDOWN The cluster is down"), false},
		{fmt.Errorf("wrapped: %w", goredis.ErrClosed), true},
		{goredis.ErrPoolTimeout, false},
		{io.EOF, false},
		{errors.New("WRONGTYPE is not what the server said"), false},
	} {
		got := classify(tt.err)
		assert.Equal(t, tt.permanent, backing.IsPermanent(got), "%v", tt.err)
		assert.ErrorIs(t, got, tt.err)
		assert.Equal(t, tt.err.Error(), got.Error())
	}
	assert.NoError(t, classify(nil))
}
