package torture_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/internal/redistest"
)

// trailed are the arguments of a server that keeps a trail: its append-only file has every
// change of a lease, with the moment when the lease ends by the server's clock. Reading the
// lease itself proves nothing: the server may refresh it between the last read and a freeze
// that is longer than the lease.
var trailed = []string{"--appendonly", "yes", "--appendfsync", "no", "--auto-aof-rewrite-percentage", "0"}

// readTrail reads from a server's append-only file when the leases ended, or would have ended if
// they had not been released.
func (h *history) readTrail(ctx context.Context, c *goredis.Client, sinceEpoch func(time.Time) instant) error {
	dir, err := c.ConfigGet(ctx, "dir").Result()
	if err != nil {
		return err
	}
	var found []string
	for _, pattern := range []string{"appendonlydir/*.incr.aof", "appendonly.aof"} { // since Redis 7.0, and before
		more, _ := filepath.Glob(filepath.Join(dir["dir"], pattern))
		found = append(found, more...)
	}
	if len(found) != 1 {
		return fmt.Errorf("found the append-only files %q in %s, want one", found, dir["dir"])
	}
	file, err := os.Open(found[0])
	if err != nil {
		return err
	}
	defer file.Close()
	holders := map[string]string{}
	for in := bufio.NewReader(file); ; {
		_, words, err := redistest.ReadCommand(in)
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF): // the server is still writing it
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", found[0], err)
		case len(words) < 3 || !strings.HasPrefix(words[1], lockPrefix):
			continue
		}
		key, at := words[1], 2
		switch strings.ToUpper(words[0]) {
		case "SET":
			holders[key] = words[2]
			at = 1 + slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, "PXAT") })
		case "PEXPIREAT":
		default:
			continue
		}
		ms, err := strconv.ParseInt(words[at], 10, 64)
		if err != nil {
			return fmt.Errorf("%s: %q: %w", found[0], words, err)
		}
		of := claimant{strings.TrimPrefix(key, "dmutex:"), holders[key]}
		h.leases[of] = max(h.leases[of], sinceEpoch(time.UnixMilli(ms)))
	}
}
