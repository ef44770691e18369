package redis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
	"github.com/effectlock/effectlock/schedule"
)

func errorsAs[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// logbook records everything an observer receives, in each form in which it may get into a
// log.
type logbook struct {
	mu     sync.Mutex
	said   bytes.Buffer
	failed bool // the store
}

func (l *logbook) observe(e mutex.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	mutex.LogObserver(slog.New(slog.NewTextHandler(&l.said, &slog.HandlerOptions{Level: slog.LevelDebug})))(context.Background(), e)
	l.failed = l.failed || e.Kind == mutex.BackingFailed
	fmt.Fprintf(&l.said, "%v %+v\n%s", e, e, everyWord(e.Err))
}

// everyWord returns an error, and each error that it wraps, as they are printed.
func everyWord(err error) string {
	if err == nil {
		return ""
	}
	said := fmt.Sprintf("%v %+v %#v %q\n", err, err, err, err)
	switch wraps := err.(type) { //nolint:errorlint // this is the way down
	case interface{ Unwrap() error }:
		said += everyWord(wraps.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range wraps.Unwrap() {
			said += everyWord(inner)
		}
	}
	return said
}

// No error or event contains a password or the name of the user, whatever is wrong, and
// each failure names the operation and comes soon.
func TestCredentialsAreInNoErrorAndNoEvent(t *testing.T) {
	t.Parallel()
	const user, password, other = "alice-secret", "right-secret", "wrong-secret"
	acl := redistest.Start(t)
	require.NoError(t, acl.Client(t).Do(t.Context(), "ACL", "SETUSER", user, "on", ">"+password, "~*", "&*", "+@all").Err())
	require.NoError(t, acl.Client(t).Do(t.Context(), "ACL", "SETUSER", "mute-secret", "on", ">"+password, "~other:*", "+@all").Err())
	require.NoError(t, acl.Client(t).Do(t.Context(), "ACL", "SETUSER", "off-secret", "off", ">"+password, "~*", "&*", "+@all").Err())
	require.NoError(t, acl.Client(t).Do(t.Context(), "ACL", "SETUSER", "default", "off").Err())
	one := redistest.Start(t, "--requirepass", password)
	gone := redistest.Start(t, "--requirepass", password)
	gone.Kill()
	for name, c := range map[string]struct {
		s              *redistest.Server
		user, password string
		right          bool
		permanent      bool // the error is permanent, or becomes so if the credentials stay wrong
	}{
		"the user and its password":          {acl, user, password, true, false},
		"the user and a wrong password":      {acl, user, other, false, true},
		"a user who may not":                 {acl, "mute-secret", password, false, true},
		"a user who may no more":             {acl, "off-secret", password, false, true},
		"nobody":                             {acl, "", "", false, true},
		"the password alone":                 {one, "", password, true, false},
		"a wrong password alone":             {one, "", other, false, true},
		"a user of a server without users":   {one, user, password, false, true},
		"no password":                        {one, "", "", false, true},
		"a server that is not there":         {gone, user, password, false, false},
		"an empty password is no credential": {one, "default", "", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var heard logbook
			client := dial(t, goredis.Options{Addr: c.s.Addr(), Username: c.user, Password: c.password, DialerRetries: 1, MaxRetries: -1})
			m, err := mutex.New(redis.New(client), "k:"+name, mutex.Config{BackingFailureRetryPolicy: schedule.Once(), Observer: mutex.Observe(heard.observe)})
			require.NoError(t, err)
			began := time.Now()
			said := ""
			for operation, do := range map[string]effect.Effect[any]{
				"tryAcquire": erased(mutex.WithLock(m, effect.Succeed(1))),
				"isLocked":   erased(m.IsLocked),
				"getHolder":  erased(m.Holder),
			} {
				_, err := do(t.Context())
				if c.right {
					assert.NoError(t, err, operation)
					continue
				}
				var failed *mutex.MutexBackingError
				require.ErrorAs(t, err, &failed, operation)
				assert.Equal(t, operation, failed.Operation)
				assert.True(t, c.permanent || !backing.IsPermanent(err), "%v", err)
				said += everyWord(err)
			}
			url := "redis://" + c.user + ":" + c.password + "@" + c.s.Addr()
			err = during(t.Context(), url, func(*redis.Backing) {})
			if !c.right && name != "a user who may not" { // that user may send a PING
				require.ErrorContains(t, err, "redis: PING "+c.s.Addr()+": ")
			} else {
				require.NoError(t, err)
			}
			assert.Less(t, time.Since(began), 30*time.Second)
			said += everyWord(err) + heard.said.String()
			assert.NotContains(t, said, "secret")
			assert.Equal(t, !c.right, heard.failed, "the observer is called")
		})
	}
}

func erased[A any](e effect.Effect[A]) effect.Effect[any] {
	return effect.Map(func(a A) any { return a })(e)
}
