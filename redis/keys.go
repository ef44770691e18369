package redis

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis/internal/slot"
)

// keys are the names of the keys of a lock. Those that every command needs are kept as
// words of a command, which saves an allocation each.
type keys struct {
	lock                              string
	lockWord, queueWord, releasedWord any
}

// keysOf returns the keys of the lock of a mutex key. It fails with *[ReservedKeyError].
// The most recent names are kept: making them takes a tenth of the time that the library
// adds to a lock.
func (b *Backing) keysOf(key string) (*keys, error) {
	b.namesMu.Lock()
	defer b.namesMu.Unlock()
	k := b.names[key]
	if k != nil {
		return k, nil
	}
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if len(b.names) >= 1024 {
		clear(b.names)
	}
	k = newKeys(b.prefix, key, b.id)
	b.names[key] = k
	return k, nil
}

// newKeys makes the names of the keys of a lock.
//
// Putting every lock into braces is the obvious way to keep its keys in its hash slot, but
// a lock with a "}" in it cannot be a tag. Such a lock is preceded by a tag of its slot and
// by its length, which says where it ends. Only in this form does a digit follow the first
// "}".
func newKeys(prefix, key, client string) *keys {
	lock := prefix + key
	owned := prefix + "{" + lock + "}"
	if strings.Contains(lock, "}") {
		tag := slot.HashTag(lock)
		if tag == lock {
			tag = slot.Tag(slot.Of(lock))
		}
		owned = prefix + "{" + tag + "}" + strconv.Itoa(len(lock)) + ":" + lock
	}
	return &keys{lock, lock, owned + "~queue", owned + "~released:" + client}
}

// released returns the key in which a release by this client is remembered.
func (k *keys) released(in memoryOf) any {
	if in.claim == "" {
		return k.releasedWord
	}
	return k.releasedWord.(string) + ":" + in.claim
}

// fence returns the key of the last token: one for the whole server or, where a script must
// keep to one slot, one for each slot.
func (b *Backing) fence(k *keys) any {
	if !b.slots.Load() {
		return b.commonFence
	}
	return fenceOf(b.prefix, slot.Of(k.lock))
}

func fenceOf(prefix string, in uint16) string { return prefix + "{" + slot.Tag(in) + "}~fence" }

// reserved matches this package's own keys, without the prefix.
var reserved = regexp.MustCompile(`(?s)^\{.*\}.*(~queue|~fence|~released:.*)$`)

// checkKey refuses this package's own keys. Every operation calls it.
func checkKey(key string) error {
	if strings.HasPrefix(key, "{") && reserved.MatchString(key) {
		return backing.NotSent(backing.Permanent(&ReservedKeyError{Key: key}))
	}
	return nil
}

// ReservedKeyError reports a mutex key that looks like one of this package's own keys.
// Nothing was sent. It is marked by [backing.Permanent]: choose another key.
type ReservedKeyError struct{ Key string }

func (e *ReservedKeyError) Error() string {
	return fmt.Sprintf("redis: key %q has the form of one of this package's own keys ({…}~queue, {…}~released:… or {…}~fence): choose another key", e.Key)
}

// Tag returns "ReservedKeyError".
func (*ReservedKeyError) Tag() string { return "ReservedKeyError" }

// KeyPrefix sets the prefix of each key in Redis, "dmutex:" by default. Programs exclude
// each other only if they use the same prefix. With an empty prefix the lock is the mutex
// key itself. All other keys of this package begin with the prefix as well.
//
// A prefix may contain a hash tag, as in "app:{locks}:", which puts all locks into one
// slot. KeyPrefix panics if the prefix contains a "{" without a tag. A mutex key with a
// hash tag keeps its slot, and so do its other keys:
// dmutex:{tag}17:dmutex:orders-{tag}~queue. Where scripts must keep to one slot, as on a
// Cluster, each slot has a fence of its own.
func KeyPrefix(prefix string) Option {
	if strings.Contains(prefix, "{") && slot.HashTag(prefix) == prefix {
		panic(fmt.Sprintf("redis: KeyPrefix(%q): a { in a prefix must begin a hash tag that ends in the prefix, as in app:{locks}:", prefix))
	}
	return func(b *Backing) { b.prefix = prefix }
}
