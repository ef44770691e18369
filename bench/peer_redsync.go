package main

import (
	"context"
	"math"

	"github.com/go-redsync/redsync/v4"
	redsyncredis "github.com/go-redsync/redsync/v4/redis/goredis/v9"
)

type redsyncClient struct {
	rs *redsync.Redsync
	setting
}

func openRedsync(_ context.Context, s setting) (client, error) {
	return &redsyncClient{redsync.New(redsyncredis.NewPool(goRedis(s))), s}, nil
}

func (r *redsyncClient) locker(key string, section func(context.Context)) func(context.Context) error {
	m := r.rs.NewMutex(key, redsync.WithExpiry(r.ttl), redsync.WithTries(math.MaxInt))
	return func(ctx context.Context) error {
		if err := m.LockContext(ctx); err != nil {
			return err
		}
		section(ctx)
		_, err := m.UnlockContext(context.WithoutCancel(ctx))
		return err
	}
}

func (r *redsyncClient) hold(ctx context.Context, key string) error {
	m := r.rs.NewMutex(key, redsync.WithExpiry(r.ttl))
	if err := m.TryLockContext(ctx); err != nil {
		return err
	}
	go every(r.renew, func() { _, _ = m.ExtendContext(ctx) })
	return nil
}

func (r *redsyncClient) stored(key string) string { return key }
