package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// recording is what a library sent to lock and release. It can be sent again, without
// the library, for another key and another holder.
type recording struct {
	key, holder      string
	stored           func(key string) string
	acquire, release [][]string
	// replies are the server's answers when the requests were first sent.
	replies []any
}

const recordedKey = "recorded-key"

// record makes a library lock a key, and records its requests.
func record(ctx context.Context, open func(context.Context, setting) (client, error), s setting) (*recording, error) {
	tape := &recorder{}
	s.dial = tape.dial
	cl, err := open(ctx, s)
	if err != nil {
		return nil, err
	}
	rdb := goredis.NewClient(&goredis.Options{Addr: s.addr})
	defer rdb.Close()

	r := &recording{key: recordedKey, stored: cl.stored}
	entered, failure := 0, error(nil)
	lock := cl.locker(r.key, func(ctx context.Context) {
		entered = len(tape.sent())
		r.holder, failure = rdb.Get(ctx, r.stored(r.key)).Result()
	})
	begun := 0
	for range 3 { // the first also asks for the server's version, and sends the scripts
		begun = len(tape.sent())
		if err := errors.Join(lock(ctx), failure); err != nil {
			return nil, fmt.Errorf("record: %w", err)
		}
	}
	others := func(request []string) bool { // a ping, a subscription
		return !slices.ContainsFunc(request, func(arg string) bool { return strings.Contains(arg, r.key) })
	}
	all := tape.sent()
	r.acquire = slices.DeleteFunc(slices.Clone(all[begun:entered]), others)
	r.release = slices.DeleteFunc(all[entered:], others)
	return r, r.try(ctx, rdb)
}

// try sends the recording for another key, and checks that this locks and frees it:
// a library may send requests that work only once.
func (r *recording) try(ctx context.Context, rdb *goredis.Client) error {
	if len(r.acquire) == 0 || len(r.release) == 0 {
		return fmt.Errorf("record: %d requests for the lock and %d for its release", len(r.acquire), len(r.release))
	}
	const key = "tried-key"
	t, holder := r.exchange(key), rand.Text()
	send := func(all []request) error {
		for _, q := range all {
			reply, err := replyOf(rdb.Do(ctx, q.of(holder)...))
			if err != nil {
				return fmt.Errorf("replay %q: %w", q.of(holder), err)
			}
			r.replies = append(r.replies, reply)
		}
		return nil
	}
	if err := send(t.acquire); err != nil {
		return err
	}
	if got, err := rdb.Get(ctx, r.stored(key)).Result(); err != nil || got != holder {
		return fmt.Errorf("replay: the lock is held by %q and not by %q: %w", got, holder, err)
	}
	if err := send(t.release); err != nil {
		return err
	}
	if n, err := rdb.Exists(ctx, r.stored(key)).Result(); err != nil || n != 0 {
		return errors.Join(errors.New("replay: the lock was not freed"), err)
	}
	return nil
}

// exchange is a recording for one key.
type exchange struct{ acquire, release []request }

// request is one command.
type request struct {
	args []any
	// named are the arguments that contain the holder, split where it was.
	named map[int][]string
	reply any // the expected one
}

func (r *recording) exchange(key string) exchange {
	var all []request
	for i, recorded := range slices.Concat(r.acquire, r.release) {
		q := request{named: map[int][]string{}}
		for k, arg := range recorded {
			arg = strings.ReplaceAll(arg, r.key, key)
			q.args = append(q.args, arg)
			if parts := strings.Split(arg, r.holder); len(parts) > 1 {
				q.named[k] = parts
			}
		}
		if i < len(r.replies) {
			q.reply = r.replies[i]
		}
		all = append(all, q)
	}
	return exchange{all[:len(r.acquire)], all[len(r.acquire):]}
}

// of returns the command for a holder.
func (q request) of(holder string) []any {
	args := slices.Clone(q.args)
	for i, parts := range q.named {
		args[i] = strings.Join(parts, holder)
	}
	return args
}

// replyOf returns a reply. The absence of one counts as a reply too.
func replyOf(cmd *goredis.Cmd) (any, error) {
	reply, err := cmd.Result()
	if errors.Is(err, goredis.Nil) {
		return nil, nil
	}
	return reply, err
}

// check returns an error if a reply differs from the recorded one. Of a text only the
// first character counts: what follows may be a token.
func (q request) check(cmd *goredis.Cmd) error {
	reply, err := replyOf(cmd)
	if err != nil {
		return err
	}
	want, ok := q.reply.(string)
	got, too := reply.(string)
	if alike := ok && too && want != "" && got != "" && want[0] == got[0]; alike || q.reply == reply {
		return nil
	}
	return fmt.Errorf("replay: the server answered %#v, and %#v when it was recorded", reply, q.reply)
}

// openReplayed opens ours without the library: the difference is the time that is
// neither the server's nor go-redis's.
func openReplayed(ctx context.Context, s setting) (client, error) {
	r, err := record(ctx, openEffectlock(), s)
	return &replayer{goRedis(s), r}, err
}

type replayer struct {
	rdb *goredis.Client
	*recording
}

func (r *replayer) locker(key string, section func(context.Context)) func(context.Context) error {
	t := r.exchange(key)
	send := func(ctx context.Context, all []request, holder string) error {
		for _, q := range all {
			if err := q.check(r.rdb.Do(ctx, q.of(holder)...)); err != nil {
				return err
			}
		}
		return nil
	}
	return func(ctx context.Context) error {
		holder := rand.Text()
		if err := send(ctx, t.acquire, holder); err != nil {
			return err
		}
		section(ctx)
		return send(context.WithoutCancel(ctx), t.release, holder)
	}
}

// hold would have to renew, and renewals were not recorded.
func (r *replayer) hold(context.Context, string) error { return errors.ErrUnsupported }

func (r *replayer) stored(key string) string { return r.recording.stored(key) }
