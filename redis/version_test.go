package redis_test

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/IBM/fp-go/v2/option"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

// pretender says that it is a Redis of some version, which cannot be had any
// more, and grants every lock. It answers commands one by one.
type pretender struct {
	listener net.Listener
	info     string
	running  sync.WaitGroup

	mu   sync.Mutex
	seen []string
}

func pretend(t *testing.T, info string) (*pretender, *goredis.Client) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &pretender{listener: l, info: info}
	c := goredis.NewClient(&goredis.Options{Addr: l.Addr().String(), MaxRetries: -1})
	p.running.Go(p.accept)
	t.Cleanup(func() {
		_ = c.Close()
		_ = l.Close()
		p.running.Wait()
	})
	return p, c
}

func (p *pretender) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() {
			defer conn.Close()
			for r := bufio.NewReader(conn); ; {
				command, err := readCommand(r)
				if err != nil {
					return
				}
				p.answer(conn, command)
			}
		})
	}
}

func (p *pretender) answer(conn net.Conn, command string) {
	p.mu.Lock()
	p.seen = append(p.seen, command)
	p.mu.Unlock()
	switch command {
	case "info":
		_, _ = fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(p.info), p.info)
	case "evalsha":
		_, _ = fmt.Fprint(conn, "$2\r\ng7\r\n")
	default:
		_, _ = fmt.Fprintf(conn, "-ERR unknown command '%s'\r\n", command)
	}
}

func (p *pretender) count(command string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, c := range p.seen {
		if c == command {
			n++
		}
	}
	return n
}

// readCommand reads an array of bulk strings and returns the first, in lower case.
func readCommand(r *bufio.Reader) (string, error) {
	header, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(strings.Trim(header, "*\r\n"))
	if err != nil {
		return "", err
	}
	first := ""
	for i := range n {
		if _, err := r.ReadString('\n'); err != nil { // its length; no argument here has a line end
			return "", err
		}
		arg, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		if i == 0 {
			first = strings.ToLower(strings.TrimSpace(arg))
		}
	}
	return first, nil
}

func TestOldServerIsNamedAndNotAskedForALock(t *testing.T) {
	t.Parallel()
	for _, found := range []string{"2.8.24", "5.0.14", "6.0.16", "6.1.240"} {
		t.Run(found, func(t *testing.T) {
			t.Parallel()
			p, c := pretend(t, "# Server\r\nredis_version:"+found+"\r\nredis_mode:standalone\r\n")
			_, err := redis.New(c).TryAcquire(t.Context(), claim("k", "h"))
			var version *redis.VersionError
			require.ErrorAs(t, err, &version)
			assert.Equal(t, redis.VersionError{Found: found, Needed: "6.2"}, *version)
			assert.Equal(t, "VersionError", version.Tag())
			assert.True(t, backing.IsPermanent(err))
			assert.ErrorContains(t, err, "the server is Redis "+found+"; locks need Redis 6.2 or later")
			assert.Zero(t, p.count("evalsha"))
		})
	}
}

func TestServerThatIsNewEnoughOrWillNotSayIsUsedAndAskedOnce(t *testing.T) {
	t.Parallel()
	for name, info := range map[string]string{
		"oldest that will do":     "# Server\r\nredis_version:6.2.0\r\n",
		"newer":                   "# Server\r\nredis_version:10.0\r\n",
		"a number and no point":   "# Server\r\nredis_version:7\r\n",
		"silent about it":         "# Server\r\nuptime:5\r\n",
		"not a number":            "# Server\r\nredis_version:unstable\r\n",
		"only of another version": "# Server\r\nvalkey_version:1.0.0\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, c := pretend(t, info)
			b := redis.New(c)
			for range 3 {
				grant, err := b.TryAcquire(t.Context(), claim("k", "h"))
				require.NoError(t, err)
				assert.Equal(t, option.Some(backing.Grant{Token: 7}), grant)
			}
			assert.Equal(t, 1, p.count("info"))
		})
	}
}

func TestServerWithoutInfoIsUsedAndAskedOnce(t *testing.T) {
	t.Parallel()
	s, admin := start(t)
	require.NoError(t, admin.Do(t.Context(), "ACL", "SETUSER", "worker", "on", ">pw", "~*", "+@all", "-info").Err())
	c := goredis.NewClient(&goredis.Options{Addr: s.Addr(), Username: "worker", Password: "pw"})
	defer c.Close()
	b := redis.New(c)
	acquire(t, b, "k", "h")
	acquire(t, b, "k", "h")
	stats, err := admin.Info(t.Context(), "commandstats").Result()
	require.NoError(t, err)
	assert.Contains(t, stats, "rejected_calls=1,failed_calls=0", "INFO was to be asked once")
}
