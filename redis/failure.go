package redis

import (
	"errors"
	"regexp"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/backing"
)

// classify marks the errors that trying again cannot heal. Everything else, a
// replica (READONLY), a server that loads or is full, a refused connection, may
// heal within the lease, and it is for the mutex's policy to say how long to try.
func classify(err error) error {
	if err == nil || backing.IsPermanent(err) {
		return err
	}
	if errors.Is(err, goredis.ErrClosed) {
		return backing.Permanent(err)
	}
	var refused goredis.Error
	if !errors.As(err, &refused) {
		return err
	}
	message := refused.Error()
	if inner := scriptFailure.FindStringSubmatch(message); inner != nil {
		message = inner[1]
	}
	for _, beginning := range permanent {
		if strings.HasPrefix(message, beginning) {
			return backing.Permanent(err)
		}
	}
	return err
}

// scriptFailure finds the error of a command inside a script: Redis before 7.0
// wraps it in one of its own, "ERR Error running script (call to f_…):
// @user_script:7: WRONGTYPE …", with or without a minus sign.
var scriptFailure = regexp.MustCompile(`^ERR Error running script .*@user_script: ?\d+: -?(.*)`)

var permanent = []string{
	"WRONGTYPE ",
	"NOAUTH ",
	"ERR Protocol error: unauthenticated", // the same, for commands of more than ten words
	"WRONGPASS ",
	"NOPERM ",
	"ERR unknown command",
	"ERR invalid password",
	"ERR DB index is out of range",      // go-redis selects the database when it connects
	"ERR The user executing the script", // NOPERM of a command inside a script, 7.0
	"The user executing the script",     // the same in 6.2
	"ERR ACL failure in script",         // the same in 7.2 and later
}
