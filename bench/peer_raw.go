package main

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const (
	deleteIfOurs = `if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) else return 0 end`
	renewIfOurs  = `if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("pexpire", KEYS[1], ARGV[2]) else return 0 end`
)

var (
	rawRelease = goredis.NewScript(deleteIfOurs)
	rawRenew   = goredis.NewScript(renewIfOurs)
)

// raw is what a program without a lock library would write: the floor.
type raw struct {
	rdb *goredis.Client
	setting

	renewing sync.Once
	mu       sync.Mutex
	held     [][2]string // key and holder
}

// goRedis connects go-redis with its defaults: libraries that are built on it are
// compared with the same number of connections.
func goRedis(s setting) *goredis.Client {
	return goredis.NewClient(&goredis.Options{Addr: s.addr, Dialer: s.dial})
}

func openRaw(_ context.Context, s setting) (client, error) {
	return &raw{rdb: goRedis(s), setting: s}, nil
}

func (r *raw) locker(key string, section func(context.Context)) func(context.Context) error {
	return func(ctx context.Context) error {
		holder := rand.Text()
		for {
			ok, err := r.rdb.SetNX(ctx, key, holder, r.ttl).Result()
			if err != nil {
				return err
			}
			if ok {
				break
			}
			if err := pause(ctx, poll); err != nil {
				return err
			}
		}
		section(ctx)
		return rawRelease.Run(context.WithoutCancel(ctx), r.rdb, []string{key}, holder).Err()
	}
}

func (r *raw) hold(ctx context.Context, key string) error {
	r.renewing.Do(func() { go every(r.renew, func() { r.renewAll(ctx) }) })
	holder := rand.Text()
	if err := r.rdb.SetNX(ctx, key, holder, r.ttl).Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = append(r.held, [2]string{key, holder})
	return nil
}

// renewAll is what a program with thousands of locks and no library would do: send
// one pipeline after another, each short enough not to hold up the rest.
func (r *raw) renewAll(ctx context.Context) {
	r.mu.Lock()
	held := slices.Clip(r.held)
	r.mu.Unlock()
	if rawRenew.Load(ctx, r.rdb).Err() != nil {
		return
	}
	for len(held) > 0 {
		n := min(len(held), renewBatch)
		pipe := r.rdb.Pipeline()
		for _, lock := range held[:n] {
			rawRenew.EvalSha(ctx, pipe, []string{lock[0]}, lock[1], r.ttl.Milliseconds())
		}
		_, _ = pipe.Exec(ctx) // a lost lock shows when its key is checked
		held = held[n:]
	}
}

const renewBatch = 500

func (r *raw) stored(key string) string { return key }

// every calls f once in each interval until the process ends, or back to back if f
// takes longer than that.
func every(interval time.Duration, f func()) {
	for range time.Tick(interval) {
		f()
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
