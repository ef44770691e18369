package timing_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

const (
	patience = 30 * time.Second
	crowd    = 10 // holders at a time
)

// chance makes what is random of one kind of fault.
type chance struct{ *rand.Rand }

func (r chance) between(least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)))
}

// lease is held for a while, is then hit by a fault, and goes on for so long
// that it mostly ends before the work does. Some do not.
func (r chance) lease(n int) (l lease, before time.Duration) {
	l = lease{Key: fmt.Sprint("k", n), TTL: r.between(300*time.Millisecond, time.Second)}
	l.Refresh = r.between(l.TTL/10, l.TTL*6/10)
	before = r.between(0, l.TTL)
	l.Hold = before + r.between(l.TTL/2, 3*l.TTL)
	return l, before
}

// network breaks that of one holder at a time.
func network(breaks func(*redistest.Proxy, chance, lease)) inject {
	return func(t *testing.T, r chance, faults int) (all []result) {
		server := redistest.Start(t, trailed...)
		waves(t, faults, func(first, n int) {
			results := make([]result, n)
			var wave sync.WaitGroup
			for i := range n {
				l, before := r.lease(first + i)
				own := chance{rand.New(rand.NewPCG(r.Uint64(), 0))}
				proxy := redistest.NewProxy(t, server.Addr())
				b, other := redis.New(client(t, proxy.Addr())), newRival(t, server)
				wave.Go(func() {
					holder := enter(l, b)
					<-holder.inside
					claims := other.competes(l.Key)
					time.Sleep(before)
					breaks(proxy, own, l)
					claim := <-claims
					<-holder.over // which a refresh that comes through now would hasten
					proxy.Heal()
					results[i] = result{account: <-holder.account, claim: claim}
				})
			}
			wave.Wait()
			all = append(all, results...)
		})
		return all
	}
}

// freeze stops the server of several holders and their rivals for a while.
func freeze(t *testing.T, r chance, faults int) (all []result) {
	server := redistest.Start(t, trailed...)
	waves(t, faults, func(first, n int) {
		var holders []holder
		var rivals []rival
		for i := range n {
			l, _ := r.lease(first + i)
			holders = append(holders, enter(l, redis.New(client(t, server.Addr()))))
			rivals = append(rivals, newRival(t, server))
		}
		var claims []<-chan claim
		for i, h := range holders {
			<-h.inside
			claims = append(claims, rivals[i].competes(fmt.Sprint("k", first+i)))
		}
		time.Sleep(r.between(0, 300*time.Millisecond))
		server.Freeze()
		time.Sleep(r.between(500*time.Millisecond, 1300*time.Millisecond)) // the leases are shorter, or not much longer
		server.Thaw()
		for i, h := range holders {
			all = append(all, result{account: <-h.account, claim: <-claims[i]})
		}
	})
	return all
}

// stop stops the process of several holders until others have their locks, and have
// written to the registers.
func stop(t *testing.T, r chance, faults int) (all []result) {
	server := redistest.Start(t, trailed...)
	waves(t, faults, func(first, n int) {
		o := orders{Addr: server.Addr(), Writes: true}
		for i := range n {
			l, _ := r.lease(first + i)
			l.Hold = patience
			o.Leases = append(o.Leases, l)
		}
		p := launch(t, o)
		var claims []<-chan claim
		for _, l := range o.Leases {
			claims = append(claims, newRival(t, server).competes(l.Key))
		}
		time.Sleep(r.between(0, 500*time.Millisecond))
		p.stop()
		var wave []result
		for _, claimed := range claims {
			wave = append(wave, result{claim: <-claimed})
		}
		resumed := time.Now()
		p.resume()
		for i, a := range p.accounts() {
			wave[i].account, wave[i].resumed = a, resumed
			assert.True(t, a.Cancelled, "the work was not cancelled: %+v", a)
			assert.False(t, a.Wrote.After(wave[i].wrote), "a stale write was accepted: %+v", wave[i])
			if a.Lost.After(resumed) {
				assert.Positive(t, a.Refused, "no stale write was tried: %+v", a)
			}
		}
		all = append(all, wave...)
	})
	return all
}

// busy keeps the process of several holders from doing much else. Their work does
// not look at its context, and ends at any time.
func busy(t *testing.T, r chance, faults int) (all []result) {
	server := redistest.Start(t, trailed...)
	waves(t, faults, func(first, n int) {
		o := orders{Addr: server.Addr(), Loops: 4 + r.IntN(12), Spin: r.between(200*time.Millisecond, 1500*time.Millisecond)}
		for i := range n {
			l, _ := r.lease(first + i)
			l.Blind = true
			o.Leases = append(o.Leases, l)
		}
		p := launch(t, o)
		var claims []<-chan claim
		for _, l := range o.Leases {
			claims = append(claims, newRival(t, server).competes(l.Key))
		}
		for i, a := range p.accounts() {
			all = append(all, result{account: a, claim: <-claims[i], blind: true})
		}
	})
	return all
}

func waves(t *testing.T, faults int, wave func(first, n int)) {
	t.Helper()
	for first := 0; first < faults && !t.Failed(); first += crowd {
		wave(first, min(crowd, faults-first))
	}
}

// holder is a goroutine that holds a lock.
type holder struct {
	inside  chan struct{}
	over    chan struct{}
	account chan account
}

func enter(l lease, b *redis.Backing) holder {
	h := holder{make(chan struct{}), make(chan struct{}), make(chan account, 1)}
	go func() { h.account <- l.hold(b, nil, func() { close(h.inside) }, func() { close(h.over) }) }()
	return h
}

func newRival(t *testing.T, server *redistest.Server) rival {
	t.Helper()
	c := server.Client(t)
	trail, err := findTrail(t.Context(), c) // by which it is connected, too
	require.NoError(t, err)
	return rival{c, redis.New(c), trail}
}

// competes has the rival get the lock.
func (r rival) competes(key string) <-chan claim {
	claims := make(chan claim, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		c, err := r.compete(ctx, key)
		c.err = errors.Join(err, r.write(&c))
		claims <- c
	}()
	return claims
}

func client(t *testing.T, addr string) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: addr})
	t.Cleanup(func() { _ = c.Close() })
	return c
}
