package main

import (
	"context"
	"time"

	"github.com/bsm/redislock"
	goredis "github.com/redis/go-redis/v9"
)

type redislockClient struct {
	rdb   *goredis.Client
	locks *redislock.Client
	setting
}

func openRedislock(s setting) (client, error) {
	rdb := goRedis(s)
	return &redislockClient{rdb, redislock.New(rdb), s}, nil
}

func (r *redislockClient) with(ctx context.Context, key string, work func(context.Context, uint64)) error {
	return r.obtain(ctx, key, redislock.LinearBackoff(100*time.Millisecond), work)
}

func (r *redislockClient) try(ctx context.Context, key string, work func(context.Context, uint64)) error {
	return r.obtain(ctx, key, redislock.NoRetry(), work)
}

func (r *redislockClient) obtain(ctx context.Context, key string, retry redislock.RetryStrategy, work func(context.Context, uint64)) (err error) {
	lock, err := r.locks.Obtain(ctx, key, r.ttl, &redislock.Options{RetryStrategy: retry, Token: r.id})
	if err != nil {
		return err
	}
	defer func() { err = lock.Release(ctx) }()
	renewed(ctx, r.ttl/3, func(ctx context.Context) error {
		return lock.Refresh(ctx, r.ttl, nil)
	}, func(ctx context.Context) { work(ctx, 0) })
	return nil
}

func (r *redislockClient) stored(key string) string { return key }

func (r *redislockClient) close() { _ = r.rdb.Close() }
