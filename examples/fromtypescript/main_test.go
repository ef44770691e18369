package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

const key = "dmutex:nightly-report"

var programs = map[string]func(*redis.Backing) effect.Effect[string]{"program": program, "statements": statements}

func TestMain(m *testing.M) { redistest.Main(m) }

func TestTheProgramReleasesItsLock(t *testing.T) {
	t.Parallel()
	for name, program := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			said, err := provide(server.URL(), program)(t.Context())
			require.NoError(t, err)
			assert.Equal(t, "20 orders", said)
			assert.Zero(t, server.Client(t).Exists(t.Context(), key).Val())
		})
	}
}

func TestTheProgramWaitsForAnotherHolder(t *testing.T) {
	t.Parallel()
	for name, program := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			require.NoError(t, server.Client(t).Set(t.Context(), key, "another", 0).Err())
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err := provide(server.URL(), program)(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, "another", server.Client(t).Get(t.Context(), key).Val())
		})
	}
}
