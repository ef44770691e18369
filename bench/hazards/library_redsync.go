package main

import (
	"context"
	"errors"

	"github.com/go-redsync/redsync/v4"
	redsyncredis "github.com/go-redsync/redsync/v4/redis/goredis/v9"
	goredis "github.com/redis/go-redis/v9"
)

type redsyncClient struct {
	rdb *goredis.Client
	rs  *redsync.Redsync
	setting
}

var (
	errNotUnlocked = errors.New("not unlocked")
	errNotExtended = errors.New("not extended")
)

func openRedsync(s setting) (client, error) {
	rdb := goRedis(s)
	return &redsyncClient{rdb, redsync.New(redsyncredis.NewPool(rdb)), s}, nil
}

func (r *redsyncClient) with(ctx context.Context, key string, work func(context.Context, uint64)) error {
	return r.lock(ctx, key, (*redsync.Mutex).LockContext, work)
}

func (r *redsyncClient) try(ctx context.Context, key string, work func(context.Context, uint64)) error {
	return r.lock(ctx, key, (*redsync.Mutex).TryLockContext, work)
}

func (r *redsyncClient) lock(ctx context.Context, key string, lock func(*redsync.Mutex, context.Context) error, work func(context.Context, uint64)) (err error) {
	options := []redsync.Option{redsync.WithExpiry(r.ttl)}
	if r.id != "" {
		options = append(options, redsync.WithGenValueFunc(func() (string, error) { return r.id, nil }))
	}
	m := r.rs.NewMutex(key, options...)
	if err := lock(m, ctx); err != nil {
		return err
	}
	defer func() { err = said(m.Unlock())(errNotUnlocked) }()
	renewed(ctx, r.ttl/3, func(ctx context.Context) error {
		return said(m.ExtendContext(ctx))(errNotExtended)
	}, func(ctx context.Context) { work(ctx, 0) })
	return nil
}

// said returns the error of a call that can also fail by returning false.
func said(ok bool, err error) func(no error) error {
	return func(no error) error {
		if err == nil && !ok {
			return no
		}
		return err
	}
}

func (r *redsyncClient) stored(key string) string { return key }

func (r *redsyncClient) close() { _ = r.rdb.Close() }
