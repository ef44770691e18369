package main

import (
	"context"

	"github.com/redis/rueidis"
	"github.com/redis/rueidis/rueidislock"
)

type rueidislockClient struct{ locks rueidislock.Locker }

func openRueidislock(s setting) (client, error) {
	options := rueidis.ClientOption{InitAddress: []string{s.addr}}
	if s.impatient {
		options.Dialer.Timeout, options.ConnWriteTimeout, options.DisableRetry = impatience, impatience, true
	}
	locks, err := rueidislock.NewLocker(rueidislock.LockerOption{
		ClientOption:   options,
		KeyMajority:    1,
		NoLoopTracking: true,
		KeyValidity:    s.ttl,
	})
	if err != nil {
		return nil, err
	}
	return &rueidislockClient{locks}, nil
}

func (r *rueidislockClient) with(ctx context.Context, key string, work func(context.Context, uint64)) error {
	return r.lock(ctx, key, r.locks.WithContext, work)
}

func (r *rueidislockClient) try(ctx context.Context, key string, work func(context.Context, uint64)) error {
	return r.lock(ctx, key, r.locks.TryWithContext, work)
}

func (r *rueidislockClient) lock(ctx context.Context, key string, lock func(context.Context, string) (context.Context, context.CancelFunc, error), work func(context.Context, uint64)) error {
	held, release, err := lock(ctx, key)
	if err != nil {
		return err
	}
	defer release()
	work(held, 0)
	return nil
}

func (r *rueidislockClient) stored(key string) string { return "rueidislock:0:" + key }

func (r *rueidislockClient) close() { r.locks.Close() }
