package redis

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Any string is either parsed as a URL, or refused with a URLError that is not much longer
// than the string.
func FuzzURL(f *testing.F) {
	for _, raw := range []string{
		"", "redis://", "redis://localhost", "redis://u:p@localhost:6379/3", "rediss://h?skip_verify=true", "unix:///s?db=3", "unix://u:p@/s",
		"redis://[::1]:6379", "redis://[::1", "redis://h:99999999999999999999", "redis://h/1/2", "redis://h?db=x", "redis://h?pool_size=99999999999999999999",
		"redis://h?read_timeout=-1", "redis://h?dial_timeout=9999999999999999999h", "redis://%zz@h", "redis://\x00", "redis://h\n", "://", "x://", "redis:h", "//h",
		"redis://u:p@h@h", "REDIS://h", "redis://h#f", "h:1,password=p,ssl=True", "redis://h:1,p=q", "redis://h,p=q", "redis://h?client_name=%00&protocol=4", "redis://h?%", strings.Repeat("redis://", 1000),
	} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		o, err := parse(raw)
		if err == nil {
			assert.NotEmpty(t, o.Addr)
			if o.Network != "unix" {
				assert.False(t, strings.ContainsAny(o.Addr, ",;?#"), "an option in %q", o.Addr)
			}
			return
		}
		assert.Nil(t, o)
		var bad *URLError
		require.ErrorAs(t, err, &bad)
		require.Error(t, bad.Cause)
		assert.ErrorIs(t, err, bad.Cause)
		assert.NotContains(t, bad.URL, "@", "the user and the password end with it")
		assert.False(t, strings.ContainsAny(bad.URL, ",;?#"), "an option in %q", bad.URL)
		assert.Less(t, len(err.Error()), 12*len(raw)+1000)
	})
}

// No message contains a password of a URL, encoded or not, nor does an address that may get
// into one.
func FuzzPasswordInURL(f *testing.F) {
	for _, s := range [][4]string{
		{"redis", "u", "", "h:6379"}, {"rediss", "", "/", "h"}, {"redis", "u", ":", "h:port"}, {"redis", "u", "@", "h/db"}, {"redis", "u", "%zz", "h"},
		{"http", "u", "?", "h"}, {"redis", "u", "\n", "h"}, {"redis", "u", "[", "h?x=y"}, {"redis", "a b", "]:", "h#f"}, {"redis", "u", "://", "h"}, {"unix", "u", "", ""},
	} {
		f.Add(s[0], s[1], s[2], s[3])
	}
	f.Fuzz(func(t *testing.T, scheme, user, char, rest string) {
		const secret = "Tr0ub4dor"
		if strings.ContainsAny(scheme, ":/?#@") || strings.ContainsAny(user, ":/?#@") || strings.Contains(rest, "@") || strings.Contains(rest, secret) {
			return // the password would then be elsewhere
		}
		encoded := url.UserPassword(user, char+secret+char).String()
		for _, credentials := range []string{encoded, user + ":" + secret + char + secret} {
			o, err := parse(scheme + "://" + credentials + "@" + rest)
			switch {
			case err != nil:
				assert.NotContains(t, err.Error(), secret)
			case credentials == encoded:
				assert.Equal(t, char+secret+char, o.Password)
				fallthrough
			default:
				assert.NotContains(t, o.Addr, secret)
			}
		}
	})
}
