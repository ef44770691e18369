package mistakes_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// program is a file around a statement, which may use the names declared in it.
func program(statement string) string {
	return `package program

import (
	"context"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

func run(ctx context.Context, lock *mutex.Mutex, scope *effect.Scope, work effect.Effect[int]) any {
	lost := func(*mutex.LockLostError) effect.Effect[int] { return work }
	notAcquired := func(*mutex.LockNotAcquiredError) effect.Effect[int] { return work }
	store := func(*mutex.MutexBackingError) effect.Effect[int] { return work }
	other := func(error) effect.Effect[int] { return work }
	_, _, _, _, _, _ = ctx, scope, lost, notAcquired, store, other
	return ` + statement + "\n}\n"
}

// incomplete calls do not compile, and the complete ones beside them do.
var incomplete = []struct{ function, mistake, complete string }{
	{"mutex.Fold", "mutex.Fold(lost, notAcquired, store)", "mutex.Fold(lost, notAcquired, store, other)"},
	{"mutex.CatchErrors", "mutex.CatchErrors(lost, notAcquired)(work)", "mutex.CatchErrors(lost, notAcquired, store)(work)"},
	{"lock.Acquire", "lock.Acquire()", "lock.Acquire(scope)"},
	{"lock.TryAcquire", "lock.TryAcquire()", "lock.TryAcquire(scope)"},
	{"mutex.WithLock", "mutex.WithLock(lock)", "mutex.WithLock(lock, work)"},
}

func TestIncompleteCallsDoNotCompile(t *testing.T) {
	t.Parallel()
	for _, c := range incomplete {
		t.Run(c.function, func(t *testing.T) {
			t.Parallel()
			dir := newModule(t, map[string]string{"mistake/program.go": program(c.mistake), "complete/program.go": program(c.complete)})
			_, log, err := tool(dir, "go build ./mistake")
			assert.Error(t, err)
			assert.Contains(t, log, "not enough arguments in call to "+c.function)
			assert.Equal(t, 1, strings.Count(log, "program.go:"), "only that is wrong: %s", log)
			_, log, err = tool(dir, "go build ./complete")
			assert.NoError(t, err, "%s", log)
		})
	}
}
