package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis/internal/pipeline"
)

// oldest is the version from which on everything here is tested.
const oldest = "6.2"

// VersionError tells that the server is older than this package works with.
// Trying again does not help: it is marked by [backing.Permanent].
type VersionError struct {
	Found  string // as the server says it, such as "5.0.14"
	Needed string // the oldest version that will do, such as "6.2"
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("redis: the server is Redis %s; locks need Redis %s or later", e.Found, e.Needed)
}

// Tag is the type's name.
func (e *VersionError) Tag() string { return "VersionError" }

// checkVersion asks the server for its version until it has said one that is
// good enough, or that it will not say. Scripts on an older server would fail
// one by one with messages that nobody understands, or would seem to work.
//
// Asking in New was rejected: a program may start before its Redis does.
func (b *Backing) checkVersion(ctx context.Context) error {
	if b.checked.Load() {
		return nil
	}
	_, err := pipeline.Call(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, b.askVersion(ctx) })
	return classify(err)
}

func (b *Backing) askVersion(ctx context.Context) error {
	info, err := b.client.Info(ctx, "server").Result()
	switch {
	case goredis.IsPermissionError(err), goredis.HasErrorPrefix(err, "ERR unknown command"):
		// An operator may keep INFO from us, which says nothing against locking.
	case err != nil:
		return err
	default:
		if found := versionIn(info); found != "" && older(found, oldest) {
			return backing.Permanent(&VersionError{Found: found, Needed: oldest})
		}
	}
	b.checked.Store(true)
	return nil
}

func versionIn(info string) string {
	for line := range strings.Lines(info) {
		if version, ok := strings.CutPrefix(line, "redis_version:"); ok {
			return strings.TrimSpace(version)
		}
	}
	return ""
}

// older compares major and minor numbers. What is no number is not older:
// guessing against an exotic server would lock its user out.
func older(version, than string) bool {
	v, err := majorMinor(version)
	t, wrong := majorMinor(than)
	if errors.Join(err, wrong) != nil {
		return false
	}
	return v[0] < t[0] || v[0] == t[0] && v[1] < t[1]
}

func majorMinor(version string) (n [2]int, err error) {
	parts := strings.SplitN(version, ".", 3)
	for i := range min(2, len(parts)) {
		if n[i], err = strconv.Atoi(parts[i]); err != nil {
			return n, err
		}
	}
	return n, nil
}
