package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// scripts measures the server's cost of a lock and its release.
func scripts() workload {
	return workload{
		name:  "scripts",
		title: "server CPU for a lock and its release",
		about: "Each library's requests are recorded, and then sent again by go-redis for 1,000 keys in turn, each time with another holder, in pipelines of 50 requests. " +
			"The cost of round trips therefore hardly counts. The cost of keys that expire after the window does not count.",
		peers:   []string{baseline, "redsync", "redislock", "rueidislock", ours},
		plan:    oneCase(time.Second, 300*time.Millisecond),
		ttl:     lease,
		rounds:  manyRounds,
		measure: measureScripts,
		columns: []column{{"server/op", "server CPU", hundredthMicros, true}, {"requests/op", "requests", tenth, false}},
		targets: []target{ratioAtMost(0, "server/op", "server CPU", 2.5)},
	}
}

func measureScripts(ctx context.Context, t *trial) (answer, error) {
	p, ok := peerNamed(t.Peer)
	if !ok {
		return answer{}, fmt.Errorf("no peer %q", t.Peer)
	}
	r, err := record(ctx, p.open, t.setting)
	if err != nil {
		return answer{}, err
	}
	rdb := goRedis(t.setting)
	defer rdb.Close()
	b := newBatches(r)
	from, to, err := t.begin()
	if err != nil {
		return answer{}, err
	}
	if err := b.sendUntil(ctx, rdb, from); err != nil {
		return answer{}, err
	}
	before, err := serverCPU(ctx, rdb)
	if err != nil {
		return answer{}, err
	}
	b.sent = 0
	if err := b.sendUntil(ctx, rdb, to); err != nil {
		return answer{}, err
	}
	after, err := serverCPU(ctx, rdb)
	return answer{Figures: figures{
		"server/op":   (after - before) / float64(b.sent),
		"requests/op": float64(len(r.acquire) + len(r.release)),
	}}, err
}

// batches sends a recording in pipelines.
type batches struct {
	keys    []exchange
	size    int // exchanges in a pipeline
	width   int // of a holder's id
	next    int
	sent    int // exchanges
	waiting []request
}

const (
	replayedKeys  = 1000
	pipelineDepth = 50
)

func newBatches(r *recording) *batches {
	b := &batches{size: max(1, pipelineDepth/(len(r.acquire)+len(r.release))), width: len(r.holder)}
	for i := range replayedKeys {
		b.keys = append(b.keys, r.exchange("replayed-"+strconv.Itoa(i)))
	}
	return b
}

func (b *batches) sendUntil(ctx context.Context, rdb *goredis.Client, to time.Time) error {
	for time.Now().Before(to) {
		if err := b.send(ctx, rdb.Pipeline()); err != nil {
			return err
		}
	}
	return nil
}

func (b *batches) send(ctx context.Context, pipe goredis.Pipeliner) error {
	b.waiting = b.waiting[:0]
	var sent []*goredis.Cmd
	for range b.size {
		t, holder := b.keys[b.next%len(b.keys)], fmt.Sprintf("%0*d", b.width, b.next)
		b.next++
		for _, all := range [][]request{t.acquire, t.release} {
			for _, q := range all {
				sent = append(sent, pipe.Do(ctx, q.of(holder)...))
				b.waiting = append(b.waiting, q)
			}
		}
	}
	_, _ = pipe.Exec(ctx) // its error is that of one of the commands
	for i, q := range b.waiting {
		if err := q.check(sent[i]); err != nil {
			return err
		}
	}
	b.sent += b.size
	return nil
}

// serverCPU returns the CPU time that the server has used, in seconds.
func serverCPU(ctx context.Context, rdb *goredis.Client) (float64, error) {
	text, err := rdb.Info(ctx, "cpu").Result()
	if err != nil {
		return 0, err
	}
	total := 0.0
	for _, name := range []string{"used_cpu_user", "used_cpu_sys"} {
		used, err := strconv.ParseFloat(parseInfo(text)[name], 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		total += used
	}
	return total, nil
}
