package main

import (
	"context"

	"github.com/redis/rueidis/rueidislock"
)

type rueidislockClient struct{ locks rueidislock.Locker }

func openRueidislock(_ context.Context, s setting) (client, error) {
	locks, err := rueidislock.NewLocker(rueidislock.LockerOption{
		ClientOption:   rueidisOption(s),
		KeyMajority:    1, // one server: more keys are no safer, only slower
		NoLoopTracking: true,
		KeyValidity:    s.ttl,
		ExtendInterval: s.renew,
	})
	if err != nil {
		return nil, err
	}
	return &rueidislockClient{locks}, nil
}

func (r *rueidislockClient) locker(key string, section func(context.Context)) func(context.Context) error {
	return func(ctx context.Context) error {
		held, release, err := r.locks.WithContext(ctx, key)
		if err != nil {
			return err
		}
		section(held)
		release()
		return nil
	}
}

func (r *rueidislockClient) hold(ctx context.Context, key string) error {
	_, release, err := r.locks.TryWithContext(ctx, key)
	context.AfterFunc(ctx, release) // nothing releases it before
	return err
}

func (r *rueidislockClient) stored(key string) string { return "rueidislock:0:" + key }
