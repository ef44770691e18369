package timing_test

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
)

// trailed are the arguments of a server that keeps a trail: its append-only file has
// every change of a lease, with the moment at which that ends by the server's clock. A
// look at the lease itself is no proof: the server may refresh it between the last look
// and a freeze that is longer than the lease. What the server has answered
// to is in the file.
var trailed = []string{"--appendonly", "yes", "--appendfsync", "no", "--auto-aof-rewrite-percentage", "0"}

// trail is the append-only file of a server.
type trail struct{ path string }

func findTrail(ctx context.Context, c *goredis.Client) (t trail, err error) {
	dir, err := c.ConfigGet(ctx, "dir").Result()
	if err != nil {
		return t, err
	}
	for _, pattern := range []string{"appendonlydir/*.incr.aof", "appendonly.aof"} { // since 7.0, and before
		if found, _ := filepath.Glob(filepath.Join(dir["dir"], pattern)); len(found) == 1 {
			return trail{found[0]}, nil
		}
	}
	return t, fmt.Errorf("no append-only file in %s", dir["dir"])
}

// end is when the last lease of the lock ends that the server has written, or would
// have ended if it had not been released.
func (t trail) end(lock string) (end time.Time, err error) {
	file, err := os.Open(t.path)
	if err != nil {
		return end, err
	}
	defer file.Close()
	for in := bufio.NewReader(file); ; {
		words, err := command(in)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // which it is writing just now
			break
		}
		if err != nil {
			return end, fmt.Errorf("%s: %w", t.path, err)
		}
		if len(words) < 3 || words[1] != lock {
			continue
		}
		at := 2
		if strings.EqualFold(words[0], "SET") {
			at = 1 + slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, "PXAT") })
		} else if !strings.EqualFold(words[0], "PEXPIREAT") {
			continue
		}
		ms, err := strconv.ParseInt(words[at], 10, 64)
		if err != nil {
			return end, fmt.Errorf("%s: %q: %w", t.path, words, err)
		}
		end = time.UnixMilli(ms)
	}
	if end.IsZero() {
		return end, fmt.Errorf("%s has no lease of %s", t.path, lock)
	}
	return end, nil
}

// command reads one: "*<words>", and for each "$<length>" and the word.
func command(in *bufio.Reader) (words []string, err error) {
	number := func(kind byte) (n int, err error) {
		line, err := in.ReadString('\n')
		switch {
		case err != nil:
			return 0, err
		case line[0] != kind:
			return 0, fmt.Errorf("it has %q for a number of the kind %q", line, kind)
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	n, err := number('*')
	for ; err == nil && n > 0; n-- {
		var length int
		if length, err = number('$'); err != nil {
			break
		}
		word := make([]byte, length+len("\r\n"))
		if _, err = io.ReadFull(in, word); err == nil {
			words = append(words, string(word[:length]))
		}
	}
	return words, err
}
