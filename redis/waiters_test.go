package redis

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
)

func TestHandedLeaseBeginsNotBeforeTheRequestAndNotAfterTheMessage(t *testing.T) {
	t.Parallel()
	sent := time.Now()
	received := sent.Add(time.Second)
	for name, tt := range map[string]struct {
		granted, asked int64
		lease, ttl     time.Duration
		start          time.Duration // after sent
		runs           time.Duration
	}{
		"as much later as the server says":    {1_300_000, 1_000_000, 2 * time.Second, time.Minute, 297 * time.Millisecond, 2 * time.Second},
		"the server's clock was set forward":  {9_000_000, 1_000_000, 2 * time.Second, time.Minute, time.Second, 2 * time.Second},
		"the server's clock was set back":     {900_000, 1_000_000, 2 * time.Second, time.Minute, 0, 2 * time.Second},
		"nobody knows when it was asked":      {1_300_000, 0, 2 * time.Second, time.Minute, 0, 2 * time.Second},
		"the claim is for less by now":        {1_000_000, 1_000_000, 2 * time.Second, time.Second, 0, time.Second},
		"the lease was for less than is left": {1_000_000, 1_000_000, time.Second, time.Minute, 0, time.Second},
	} {
		m := message{token: 7, lease: tt.lease, clock: tt.granted, received: received}
		want := backing.Handed{Grant: backing.Grant{Token: 7}, Start: sent.Add(tt.start), Lease: tt.runs}
		assert.Equal(t, want, m.handed(sent, tt.asked, tt.ttl), name)
	}
}

func TestMessageIsRead(t *testing.T) {
	t.Parallel()
	m, ok := parseMessage("1795467890123456 2000 1795467890123450 5 a b c9 \x00")
	require.True(t, ok)
	m.received = time.Time{}
	assert.Equal(t, message{token: 1795467890123456, lease: 2 * time.Second, clock: 1795467890123450, lock: "a b c", holder: "9 \x00"}, m)
	for _, foreign := range []string{"", "hello", "1 2 3 4", "1 2 3 9 short", "1 2 -3 1 kh", "1 2 3 -1 kh", "x 2 3 1 kh"} {
		_, ok := parseMessage(foreign)
		assert.False(t, ok, "%q", foreign)
	}
}

// unconnected returns a Backing whose claimant h waits for k, and what it hears.
func unconnected(t *testing.T) (b *Backing, who claimant, heard chan backing.Handed) {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1"})
	t.Cleanup(func() { _ = c.Close() })
	b, who, heard = New(c), claimant{"k", "h"}, make(chan backing.Handed, 9)
	b.waits(who, backing.Waiter{
		Claim:   backing.Claim{Key: "k", Holder: "h", TTL: time.Minute},
		Granted: func(h backing.Handed) { heard <- h },
	}, "2000 push:x h")
	return b, who, heard
}

func TestMessageThatComesBeforeTheAnswerIsKept(t *testing.T) {
	t.Parallel()
	for name, asked := range map[string]int64{"the answer says that it waits": 100, "the answer is lost": 0} {
		b, who, heard := unconnected(t)
		sent := time.Now()
		b.heard("7 2000 150 8 dmutex:kh")
		assert.Empty(t, heard, name)
		b.answered(who, sent, asked)
		require.Len(t, heard, 1, name)
		want := sent
		if asked > 0 {
			want = sent.Add(50 * time.Microsecond)
		}
		h := <-heard
		assert.False(t, h.Start.Before(sent), name)
		assert.False(t, h.Start.After(want), name)
		b.heard("7 2000 150 8 dmutex:kh")
		assert.Empty(t, heard, "once for each grant")
	}
}

func TestMessageThatIsOlderThanTheAnswerIsIgnored(t *testing.T) {
	t.Parallel()
	b, who, heard := unconnected(t)
	b.answered(who, time.Now(), 100)
	b.heard("7 2000 99 8 dmutex:kh") // by 100 the lock was lost again
	b.heard("7 2000 150 8 dmutex:ki")
	b.heard("7 2000 150 5 other" + "h")
	assert.Empty(t, heard)
	b.heard("8 2000 150 8 dmutex:kh")
	assert.Len(t, heard, 1)
}

func TestOnlyThoseWhoWaitAreToldToRetry(t *testing.T) {
	t.Parallel()
	b, who, _ := unconnected(t)
	retried := 0
	b.waiters.all[who].Retry = func() { retried++ }
	b.missed()
	assert.Equal(t, 1, retried)
	assert.Equal(t, "2000 push:x h", b.leaves(who))
	b.missed()
	assert.Equal(t, 1, retried)
	assert.Equal(t, "2000 push:x h", b.leaves(who), "it is remembered until the server was told")
	b.forgetGone(who)
	assert.Empty(t, b.leaves(who))
	assert.Zero(t, b.hub.wanted)
}
