package redis_test

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

// nonsense are replies that no script of ours gives to any request.
var nonsense = []string{
	"+hello\r\n", "*0\r\n", "*1\r\n$3\r\n123\r\n", strings.Repeat("*1\r\n", 100) + ":1\r\n", "%1\r\n+g\r\n:1\r\n",
	"~1\r\n:1\r\n", "$-1\r\n", "*-1\r\n", "_\r\n", ":-1\r\n", "$-7\r\n", ",1.5\r\n", ",nan\r\n", ",-inf\r\n",
	":1", ":99999999999999999999999\r\n", "$22\r\ng99999999999999999999x\r\n", "$3\r\ng-1\r\n", "+g\r\n",
	"+q\r\n", "$10\r\nhalf", "$3\r\nabcde", "$99999999999999999999\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n",
	"\x00\x00\x00\x00", "\r\n\r\n\r\n", "-ERR of the hostile kind\r\n", "-\r\n",
	"!21\r\nSYNTAX invalid syntax\r\n", ">0\r\n", ">2\r\n+message\r\n+g1\r\n", "+r\r\n", "+y7\r\n",
	"|1\r\n+a\r\n:1\r\n", "",
}

// oversized finds replies that announce more than they bring. go-redis allocates whatever
// is announced.
var oversized = regexp.MustCompile(`[$=!*~%>|]\+?\d{6,}`)

// Whatever a server answers, an operation returns in time, and reports nothing that the
// server has not said.
func FuzzReplies(f *testing.F) {
	for _, reply := range nonsense {
		f.Add(reply, false)
	}
	for _, reply := range []string{
		"$3\r\n123\r\n", "$4\r\ng123\r\n", "+r7\r\n", "+p\r\n", "+n\r\n", "+y\r\n", "+e\r\n", ":1\r\n", ":0\r\n", "+yn\r\n", "+y!\r\n", "+g+7\r\n", "+u5\r\n", "+u-1\r\n", "#t\r\n", "(123\r\n", "=7\r\ntxt:123\r\n", "$0\r\n\r\n",
		"$17\r\nq50 1234567890123\r\n", "$2\r\nq5\r\n", "+q-1\r\n", "+q18446744073709551615\r\n", "+q9223372036854775807\r\n", "+q0\r\n", ">2\r\n+push\r\n+x\r\n:1\r\n",
		"|1\r\n+a\r\n+b\r\n+123\r\n", "-NOSCRIPT No matching script.\r\n", "-MOVED 1 127.0.0.1:1\r\n", "-LOADING x\r\n", "-NOAUTH x\r\n", ":1\r\n:1\r\n:1\r\n",
	} {
		f.Add(reply, false)
		f.Add(reply, true)
	}
	h := newHostile(f)
	b := redis.New(h.client(f, 3))
	f.Fuzz(func(t *testing.T, reply string, keeps bool) {
		if oversized.MatchString(reply) {
			return
		}
		h.answer(reply, keeps)
		bounded := func(what string, do func(ctx context.Context) error) bool {
			ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
			defer cancel()
			began := time.Now()
			err := do(ctx)
			assert.Less(t, time.Since(began), 10*time.Second, what)
			return err == nil
		}
		said := func(word string) { assert.Contains(t, reply, word) }
		granted := func(g backing.Grant) {
			if g.Resumed {
				said("r")
			}
			assert.Regexp(t, `[gr]\+?0*`+strconv.FormatUint(g.Token, 10), reply)
		}
		w := waiter("k", "h").Waiter
		bounded("TryAcquire", func(ctx context.Context) error {
			grant, err := b.TryAcquire(ctx, claim("k", "h"))
			if g, ok := option.Unwrap(grant); ok {
				granted(g)
				assert.NoError(t, err)
			}
			return err
		})
		for what, do := range map[string]func(ctx context.Context) (bool, error){
			"Refresh": func(ctx context.Context) (bool, error) { return b.Refresh(ctx, claim("k", "h")) },
			"Release": func(ctx context.Context) (bool, error) { return b.Release(ctx, "k", "h") },
			"RefreshAll": func(ctx context.Context) (bool, error) {
				all := b.RefreshAll(ctx, []backing.Claim{claim("k", "h"), claim("l", "h")})
				return all[0].Held || all[1].Held, errors.Join(all[0].Err, all[1].Err)
			},
		} {
			bounded(what, func(ctx context.Context) error {
				held, err := do(ctx)
				if held {
					assert.Regexp(t, "[ye]", reply)
				}
				return err
			})
		}
		bounded("GetHolder", func(ctx context.Context) error {
			holder, err := b.GetHolder(ctx, "k")
			if id, ok := option.Unwrap(holder); ok && id != "true" && id != "false" {
				said(id)
			}
			return err
		})
		queued := func(o backing.Outcome, err error) error {
			if err != nil {
				assert.Nil(t, o)
				return err
			}
			switch o := o.(type) {
			case backing.Granted:
				granted(o.Grant)
			case backing.Queued:
				assert.Regexp(t, "[qu]", reply)
				assert.Positive(t, o.AskAgain)
				assert.LessOrEqual(t, o.AskAgain, 2*time.Second)
			case backing.Refused:
				said("n")
			case backing.MustPoll:
				said("p")
			default:
				assert.Fail(t, "no outcome", "%#v", o)
			}
			return nil
		}
		bounded("Enqueue", func(ctx context.Context) error { return queued(b.Enqueue(ctx, w)) })
		bounded("Pass", func(ctx context.Context) error { return queued(b.Pass(ctx, claim("k", "g"), w, true)) })
	})
}

// go-redis panics on these.
func TestMessagesThatTheClientCannotReadEndTheSubscriptionAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, message := range []string{"*0\r\n", "*1\r\n:1\r\n", "*1\r\n$7\r\nmessage\r\n", "*3\r\n$9\r\nsubscribe\r\n+x\r\n+y\r\n"} {
		t.Run(message, func(t *testing.T) {
			t.Parallel()
			h := newHostile(t)
			h.answer("+p\r\n", true) // another has the lock
			h.publish(message)
			b := redis.New(h.client(t, 2))
			w := waiter("k", "h").Waiter
			require.Eventually(t, func() bool {
				o, err := b.Enqueue(t.Context(), w)
				_, granted := o.(backing.Granted)
				assert.False(t, granted, "%v", err)
				return h.subscribed.Load() > 2
			}, 30*time.Second, 10*time.Millisecond)
		})
	}
}
