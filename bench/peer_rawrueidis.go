package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"net"
	"slices"
	"strconv"
	"sync"

	"github.com/redis/rueidis"
)

var (
	rueidisRelease = rueidis.NewLuaScript(deleteIfOurs)
	rueidisRenew   = rueidis.NewLuaScript(renewIfOurs)
)

// rawRueidis is raw on a client that batches concurrent commands.
type rawRueidis struct {
	rdb rueidis.Client
	setting

	renewing sync.Once
	mu       sync.Mutex
	held     []rueidis.LuaExec
}

// rueidisOption connects rueidis with its defaults.
func rueidisOption(s setting) rueidis.ClientOption {
	o := rueidis.ClientOption{InitAddress: []string{s.addr}}
	if s.dial != nil {
		o.DialCtxFn = func(ctx context.Context, addr string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return s.dial(ctx, "tcp", addr)
		}
	}
	return o
}

func openRawRueidis(_ context.Context, s setting) (client, error) {
	rdb, err := rueidis.NewClient(rueidisOption(s))
	if err != nil {
		return nil, err
	}
	return &rawRueidis{rdb: rdb, setting: s}, nil
}

func (r *rawRueidis) locker(key string, section func(context.Context)) func(context.Context) error {
	return func(ctx context.Context) error {
		holder := rand.Text()
		for {
			err := r.set(ctx, key, holder)
			if err == nil {
				break
			}
			if !rueidis.IsRedisNil(err) {
				return err
			}
			if err := pause(ctx, poll); err != nil {
				return err
			}
		}
		section(ctx)
		return rueidisRelease.Exec(context.WithoutCancel(ctx), r.rdb, []string{key}, []string{holder}).Error()
	}
}

func (r *rawRueidis) set(ctx context.Context, key, holder string) error {
	return r.rdb.Do(ctx, r.rdb.B().Set().Key(key).Value(holder).Nx().PxMilliseconds(r.ttl.Milliseconds()).Build()).Error()
}

func (r *rawRueidis) hold(ctx context.Context, key string) error {
	r.renewing.Do(func() { go every(r.renew, func() { r.renewAll(ctx) }) })
	holder := rand.Text()
	if err := r.set(ctx, key, holder); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = append(r.held, rueidis.LuaExec{Keys: []string{key}, Args: []string{holder, strconv.FormatInt(r.ttl.Milliseconds(), 10)}})
	return nil
}

func (r *rawRueidis) renewAll(ctx context.Context) {
	r.mu.Lock()
	held := slices.Clip(r.held)
	r.mu.Unlock()
	for len(held) > 0 {
		n := min(len(held), renewBatch)
		rueidisRenew.ExecMulti(ctx, r.rdb, held[:n]...)
		held = held[n:]
	}
}

func (r *rawRueidis) stored(key string) string { return key }
