package redis_test

import (
	"testing"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/backingtest"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

func TestContractOnOneServer(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	backingtest.Run(t, func(*testing.T) backing.Backing { return redis.New(c) })
}

func TestContractOnCluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	c := cluster.Client(t)
	backingtest.Run(t, func(*testing.T) backing.Backing { return redis.New(c) })
	for _, s := range cluster.Servers {
		assertAllExpire(t, s.Client(t))
	}
}
