package main

import (
	"context"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

type effectlockClient struct {
	store *redis.Backing
	scope *effect.Scope // of locks held until the context of open ends
	setting
}

// openEffectlock opens a variant of this library with the options.
func openEffectlock(options ...redis.Option) func(context.Context, setting) (client, error) {
	return func(ctx context.Context, s setting) (client, error) {
		scopes := make(chan *effect.Scope)
		go func() {
			_, _ = effect.Scoped(func(scope *effect.Scope) effect.Effect[effect.Void] {
				scopes <- scope
				return func(ctx context.Context) (effect.Void, error) {
					<-ctx.Done()
					return effect.Void{}, ctx.Err()
				}
			})(ctx)
		}()
		return &effectlockClient{redis.New(goRedis(s), options...), <-scopes, s}, nil
	}
}

func (e *effectlockClient) mutex(key string) (*mutex.Mutex, error) {
	return mutex.New(e.store, key, mutex.Config{TTL: e.ttl, RefreshInterval: e.renew, AcquireRetryInterval: poll})
}

func (e *effectlockClient) locker(key string, section func(context.Context)) func(context.Context) error {
	m, err := e.mutex(key)
	if err != nil {
		return func(context.Context) error { return err }
	}
	locked := mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
		section(ctx)
		return effect.Void{}, nil
	})
	return func(ctx context.Context) error {
		_, err := locked(ctx)
		return err
	}
}

func (e *effectlockClient) hold(ctx context.Context, key string) error {
	m, err := e.mutex(key)
	if err != nil {
		return err
	}
	_, err = m.Acquire(e.scope)(ctx)
	return err
}

func (e *effectlockClient) stored(key string) string { return "dmutex:" + key }
