package main

import (
	"context"

	"github.com/redis/rueidis"
	"github.com/redis/rueidis/rueidislock"
)

type rueidislockClient struct{ locks rueidislock.Locker }

func openRueidislock(s setting) (client, error) {
	locks, err := rueidislock.NewLocker(rueidislock.LockerOption{
		ClientOption:   rueidis.ClientOption{InitAddress: []string{s.addr}},
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
	held, release, err := r.locks.WithContext(ctx, key)
	if err != nil {
		return err
	}
	defer release()
	work(held, 0)
	return nil
}

func (r *rueidislockClient) stored(key string) string { return "rueidislock:0:" + key }

func (r *rueidislockClient) close() { r.locks.Close() }
