package mutex_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// badly are the ways in which a store can end a request without an answer.
var badly = map[string]func(){"a panic": func() { panic("boom") }, "Goexit": runtime.Goexit}

func TestPromise8_AStoreThatEndsTheCleanUpBadlyEndsNothingElse(t *testing.T) {
	for name, end := range badly {
		t.Run(name, func(t *testing.T) {
			eachWayToAcquire(t, func(t *testing.T, acquire func(*mutex.Mutex) effect.Effect[bool]) {
				s := never()
				s.release = func(context.Context, string, string) (bool, error) {
					time.Sleep(2 * cleaningUp)
					end()
					return false, nil
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := acquire(newMutex(t, s, mutex.Config{}))(ctx)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				awaitCleanup(t, s)
				require.Equal(t, 1, s.called("release"))
			})
		})
	}
}

func TestPromise8_AnAcquireThatEndsBadlyIsCleanedUpBehindTheCaller(t *testing.T) {
	for name, end := range badly {
		t.Run(name, func(t *testing.T) {
			eachWayToAcquire(t, func(t *testing.T, acquire func(*mutex.Mutex) effect.Effect[bool]) {
				s := never()
				s.tryAcquire = func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
					grant, err := s.real().TryAcquire(ctx, c)
					end()
					return grant, err
				}
				s.release = func(ctx context.Context, key, holder string) (bool, error) {
					time.Sleep(time.Second)
					return s.real().Release(ctx, key, holder)
				}
				m := newMutex(t, s, mutex.Config{})
				began := time.Now()
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					defer func() { _ = recover() }()
					_, _ = acquire(m)(t.Context())
				}()
				<-ended
				require.Equal(t, cleaningUp, time.Since(began))
				awaitCleanup(t, s)
				s.requireFree(t)
			})
		})
	}
}
