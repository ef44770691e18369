package soak_test

import (
	"context"
	"os"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/internal/redistest"
)

// TestMain is also where a process of the run begins: it is this binary again, so
// that the lock in it was built from the same code and with the same -race.
func TestMain(m *testing.M) {
	goredis.SetLogger(silent{}) // what it says of connections that break is no news here
	if encoded, ok := os.LookupEnv(ordersVariable); ok {
		os.Exit(follow(encoded))
	}
	redistest.Main(m)
}

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}
