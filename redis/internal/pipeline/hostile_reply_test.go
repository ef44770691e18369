package pipeline

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nonsense are replies that no script of ours gives, to whatever it is asked.
var nonsense = map[string]string{
	"a word":                    "+hello\r\n",
	"an empty array":            "*0\r\n",
	"an array of a token":       "*1\r\n$3\r\n123\r\n",
	"arrays in arrays":          strings.Repeat("*1\r\n", 100) + ":1\r\n",
	"a map":                     "%1\r\n+g\r\n:1\r\n",
	"a set":                     "~1\r\n:1\r\n",
	"nothing, old":              "$-1\r\n",
	"nothing, older":            "*-1\r\n",
	"nothing, new":              "_\r\n",
	"a negative number":         ":-1\r\n",
	"a negative length":         "$-7\r\n",
	"a float":                   ",1.5\r\n",
	"not a number":              ",nan\r\n",
	"no finite number":          ",-inf\r\n",
	"a number without an end":   ":1",
	"a number out of range":     ":99999999999999999999999\r\n",
	"half a string":             "$10\r\nhalf",
	"a string without an end":   "$3\r\nabcde",
	"a string too long to read": "$99999999999999999999\r\n",
	"another protocol":          "HTTP/1.1 400 Bad Request\r\n\r\n",
	"zeros":                     "\x00\x00\x00\x00",
	"only ends":                 "\r\n\r\n\r\n",
	"an error":                  "-ERR of the hostile kind\r\n",
	"an error without words":    "-\r\n",
	"a long error":              "!21\r\nSYNTAX invalid syntax\r\n",
	"a push of nothing":         ">0\r\n",
	"a push and no reply":       ">2\r\n+message\r\n+g1\r\n",
	"an attribute and no reply": "|1\r\n+a\r\n:1\r\n",
	"no reply at all":           "",
}

// oversized finds replies that announce more than they bring. go-redis makes room
// for whatever length is announced.
var oversized = regexp.MustCompile(`[$=!*~%>|]\+?\d{6,}`)

func TestNonsenseIsAnErrorOrWhatTheServerSaid(t *testing.T) {
	t.Parallel()
	for path, timeout := range map[string]time.Duration{"direct": 80 * time.Millisecond, "loop": 200 * time.Millisecond} {
		for name, reply := range nonsense {
			t.Run(path+"/"+name, func(t *testing.T) {
				t.Parallel()
				h := newHostile(t)
				h.answer("+yes\r\n", true)
				p := New(h.client(t, timeout))
				saysYes := func() bool {
					value, err := p.Run(t.Context(), say(echo, "k", "v"))
					return err == nil && value.Value == "yes"
				}
				require.Eventually(t, saysYes, 10*time.Second, 10*time.Millisecond)
				h.answer(reply, false)
				value, err := p.Run(t.Context(), say(echo, "k", "v"))
				if err == nil {
					assert.NotEmpty(t, value.Value)
					assert.Contains(t, reply, value.Value)
				}
				h.answer("+yes\r\n", true)
				require.Eventually(t, saysYes, 10*time.Second, 10*time.Millisecond, "the pipeline goes on")
			})
		}
	}
}

// Whatever a server answers: Run returns in time, and says nothing that the server has not said.
func FuzzReplies(f *testing.F) {
	for _, reply := range nonsense {
		f.Add(reply, false)
	}
	for _, reply := range []string{
		"$3\r\n123\r\n", "$4\r\ng123\r\n", ":1\r\n", "#t\r\n", "(123\r\n", "=7\r\ntxt:123\r\n", "$0\r\n\r\n", ">2\r\n+push\r\n+x\r\n:1\r\n",
		"|1\r\n+a\r\n+b\r\n+123\r\n", "-NOSCRIPT No matching script.\r\n", "-MOVED 1 127.0.0.1:1\r\n", "-LOADING x\r\n", "-NOAUTH x\r\n", ":1\r\n:1\r\n:1\r\n",
	} {
		f.Add(reply, false)
		f.Add(reply, true)
	}
	h := newHostile(f)
	direct, loop := New(h.client(f, 80*time.Millisecond)), New(h.client(f, 200*time.Millisecond))
	f.Fuzz(func(t *testing.T, reply string, keeps bool) {
		if oversized.MatchString(reply) {
			return
		}
		h.answer(reply, keeps)
		for _, p := range []*Pipeline{direct, loop} {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			began := time.Now()
			value, err := p.Run(ctx, say(echo, "k", "v"))
			cancel()
			assert.Less(t, time.Since(began), 10*time.Second)
			if v := value.Value; err == nil && v != "true" && v != "false" {
				assert.Contains(t, reply, v)
			}
		}
	})
}
