package pipeline

import (
	"context"
	"reflect"
	"runtime"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// A clone of a client, as WithTimeout makes it, has none of its hooks, nor has a master's
// client those of its Cluster, and there is no way to ask whether there are any. But a
// program that traces, counts or refuses commands must see ours as well. So once in a while
// a command that the loop sends alone examines its call stack when go-redis asks its
// context for Done: if there is anything but go-redis, it is a hook. If go-redis did not
// ask any more, or not there, all commands would be sent by the loop.

// process sends the command as any other of the client's.
//
//go:noinline
func process(ctx context.Context, client goredis.UniversalClient, c *Command) error {
	return client.Process(ctx, &c.attempt)
}

// isUnhooked reports whether nothing but go-redis stands between process and the function
// that calls the caller of isUnhooked. If process is not on the stack at all, a hook has
// moved the command to another goroutine.
func isUnhooked() bool {
	const skip = 3 // runtime.Callers, this and its caller
	var calls [64]uintptr
	frames := runtime.CallersFrames(calls[:runtime.Callers(skip, calls[:])])
	for {
		frame, more := frames.Next()
		switch {
		case frame.Function == processName:
			return true
		case !more, !strings.HasPrefix(frame.Function, goRedis):
			return false
		}
	}
}

var (
	goRedis     = reflect.TypeFor[goredis.Client]().PkgPath()
	processName = runtime.FuncForPC(reflect.ValueOf(process).Pointer()).Name()
)
