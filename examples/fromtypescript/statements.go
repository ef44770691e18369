package main

import (
	"context"
	"time"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// statements does the same as program.
func statements(store *redis.Backing) effect.Effect[string] {
	return func(ctx context.Context) (string, error) {
		m, err := mutex.New(store, "nightly-report", mutex.Config{TTL: 10 * time.Second})
		if err != nil {
			return "", err
		}
		locked := mutex.WithLock(m, report)
		return effect.CatchTag(lost)(locked)(ctx)
	}
}
