package main

import (
	"context"
	"time"

	"github.com/bsm/redislock"
)

type redislockClient struct {
	locks *redislock.Client
	setting
}

func openRedislock(_ context.Context, s setting) (client, error) {
	return &redislockClient{redislock.New(goRedis(s)), s}, nil
}

func (r *redislockClient) locker(key string, section func(context.Context)) func(context.Context) error {
	options := &redislock.Options{RetryStrategy: redislock.LinearBackoff(100 * time.Millisecond)}
	return func(ctx context.Context) error {
		lock, err := r.locks.Obtain(ctx, key, r.ttl, options)
		if err != nil {
			return err
		}
		section(ctx)
		return lock.Release(context.WithoutCancel(ctx))
	}
}

func (r *redislockClient) hold(ctx context.Context, key string) error {
	lock, err := r.locks.Obtain(ctx, key, r.ttl, nil)
	if err != nil {
		return err
	}
	go every(r.renew, func() { _ = lock.Refresh(ctx, r.ttl, nil) })
	return nil
}

func (r *redislockClient) stored(key string) string { return key }
