package miniredis_test

import (
	"testing"

	"github.com/go-redis/redismock/v9"
	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
	"github.com/effectlock/effectlock/schedule"
)

// redismock must be told each command in advance, word by word, and a holder's id is random.
func TestRedismockTakesNoLock(t *testing.T) {
	t.Parallel()
	client, _ := redismock.NewClientMock()
	defer client.Close()
	m := newMutex(t, redis.New(client), mutex.Config{BackingFailureRetryPolicy: schedule.Stop()})
	_, err := mutex.WithLock(m, effect.Succeed(effect.Void{}))(t.Context())
	assert.ErrorContains(t, err, "all expectations were already fulfilled, call to cmd '[evalsha ")
}
