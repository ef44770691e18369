package redis

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/backing"
)

var credentialRefusals = []error{
	refusal("NOAUTH Authentication required."),
	refusal("WRONGPASS invalid username-password pair or user is disabled."),
	refusal("ERR invalid password"),
	refusal("ERR Protocol error: unauthenticated multibulk length"),
	refusal("ERR Protocol error: unauthenticated bulk length"),
}

func TestRefusedCredentialsMayPassForASecond(t *testing.T) {
	t.Parallel()
	for _, said := range credentialRefusals {
		synctest.Test(t, func(t *testing.T) {
			b := &Backing{}
			stays := func() bool {
				err := b.classify(said)
				assert.ErrorIs(t, err, said)
				assert.Regexp(t, "(asks for a password|check the user name and the password)", err.Error())
				_, explained := errors.AsType[*SetupError](err)
				assert.True(t, explained)
				return backing.IsPermanent(err)
			}
			for range 11 {
				assert.False(t, stays(), "%v", said)
				time.Sleep(lateCredentials / 10)
			}
			assert.True(t, stays())
			time.Sleep(forgetRefusals)
			assert.True(t, stays())
			time.Sleep(forgetRefusals + 1)
			assert.False(t, stays(), "the last refusal is too long ago")
		})
	}
}

func TestAnyOtherAnswerEndsAStreakOfRefusedCredentials(t *testing.T) {
	t.Parallel()
	wrong := credentialRefusals[0]
	for _, tt := range []struct {
		err  error
		ends bool
	}{
		{nil, true},
		{refusal("LOADING Redis is loading the dataset in memory"), true},
		{refusal("NOPERM this user has no permissions"), true},
		{credentialRefusals[1], false},
		{io.EOF, false},
		{errors.New("connection refused"), false},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := &Backing{}
			assert.False(t, backing.IsPermanent(b.classify(wrong)))
			time.Sleep(lateCredentials)
			_ = b.classify(tt.err)
			time.Sleep(time.Nanosecond)
			assert.Equal(t, !tt.ends, backing.IsPermanent(b.classify(wrong)), "%v", tt.err)
		})
	}
}
