package main

import (
	"context"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

type effectlockClient struct {
	rdb   *goredis.Client
	store *redis.Backing
	setting
}

func openEffectlock(s setting) (client, error) {
	rdb := goRedis(s)
	return &effectlockClient{rdb, redis.New(rdb), s}, nil
}

func (e *effectlockClient) with(ctx context.Context, key string, work func(context.Context, uint64)) error {
	m, err := e.mutex(key)
	if err != nil {
		return err
	}
	_, err = mutex.WithLock(m, under(work))(ctx)
	return err
}

func (e *effectlockClient) try(ctx context.Context, key string, work func(context.Context, uint64)) error {
	m, err := e.mutex(key)
	if err != nil {
		return err
	}
	_, err = mutex.WithLockIfAvailable(m, under(work))(ctx)
	return err
}

func (e *effectlockClient) isLocked(ctx context.Context, key string) error {
	m, err := e.mutex(key)
	if err != nil {
		return err
	}
	_, err = m.IsLocked(ctx)
	return err
}

func (e *effectlockClient) holder(ctx context.Context, key string) error {
	m, err := e.mutex(key)
	if err != nil {
		return err
	}
	_, err = m.Holder(ctx)
	return err
}

func (e *effectlockClient) mutex(key string) (*mutex.Mutex, error) {
	return mutex.New(e.store, key, mutex.Config{TTL: e.ttl, HolderID: e.id})
}

func under(work func(context.Context, uint64)) effect.Effect[effect.Void] {
	return func(ctx context.Context) (effect.Void, error) {
		lock, _ := mutex.FromContext(ctx)
		work(ctx, lock.Token())
		return effect.Void{}, nil
	}
}

func (e *effectlockClient) stored(key string) string { return "dmutex:" + key }

func (e *effectlockClient) close() { _ = e.rdb.Close() }
