package main

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// raw is what a program would do without a lock library.
type raw struct {
	rdb *goredis.Client
	setting
}

var (
	deleteIfOurs = goredis.NewScript(`if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) else return 0 end`)
	errNotOurs   = errors.New("0 keys deleted")
)

func openRaw(s setting) (client, error) { return &raw{goRedis(s), s}, nil }

func (r *raw) with(ctx context.Context, key string, work func(context.Context, uint64)) (err error) {
	id := r.id
	if id == "" {
		id = rand.Text()
	}
	for {
		ok, err := r.rdb.SetNX(ctx, key, id, r.ttl).Result()
		if err != nil {
			return err
		}
		if ok {
			break
		}
		if !pause(ctx, 5*time.Millisecond) {
			return ctx.Err()
		}
	}
	defer func() {
		n, failed := deleteIfOurs.Run(context.WithoutCancel(ctx), r.rdb, []string{key}, id).Int()
		err = said(n == 1, failed)(errNotOurs)
	}()
	work(ctx, 0)
	return nil
}

func (r *raw) stored(key string) string { return key }

func (r *raw) close() { _ = r.rdb.Close() }

// pause reports whether d passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
