package redis

import (
	"context"
	"embed"
	"fmt"
	"strconv"
	"strings"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis/internal/pipeline"
	"github.com/effectlock/effectlock/redis/internal/script"
)

//go:embed *.lua
var sources embed.FS

var (
	acquireScript    = load("token", "acquire_free", "queue", "acquire")
	passScript       = load("token", "pass_free", "queue", "pass")
	releaseScript    = load("release_free", "queue", "release")
	refreshScript    = load("refresh")
	refreshAllScript = load("refresh_all")
)

func init() { // go-redis may retry these by itself
	refreshScript.Idempotent, refreshAllScript.Idempotent = true, true
}

// load joins the Lua sources of a script.
func load(parts ...string) *script.Script {
	for i, name := range parts {
		source, err := sources.ReadFile(name + ".lua")
		if err != nil {
			panic(err)
		}
		parts[i] = string(source)
	}
	return script.New(parts...)
}

// optional is an argument that may be left out, in which case the server assumes unless.
type optional struct{ value, unless string }

// command returns a run of a script. The words begin with the keys, whose number is keys.
// Trailing arguments are left out where possible, because the server then has fewer to
// read.
func command(s *script.Script, keys int, words []any, more ...optional) *pipeline.Command {
	cmd := pipeline.NewCommand(s, keys)
	for _, word := range words {
		cmd.Add(word)
	}
	for n := len(more); n > 0 && more[n-1].value == more[n-1].unless; n-- {
		more = more[:n-1]
	}
	for _, o := range more {
		cmd.Add(o.value)
	}
	return cmd
}

// sending is the way to send a script.
type sending int

const (
	acknowledged   sending = iota // with the acknowledgements that RequireAcks asks for
	inBulk                        // likewise, for a long-running script, behind which no other should wait
	unacknowledged                // with the reply of the primary alone
)

// send sends a script and returns its reply. With RequireAcks, missing is the reason why
// its effects do not count.
func (b *Backing) send(ctx context.Context, how sending, cmd *pipeline.Command) (value pipeline.Reply, missing, err error) {
	switch {
	case b.acks.Needed > 0 && how != unacknowledged:
		return b.sendAcknowledged(ctx, cmd)
	case how == inBulk:
		value, err = b.bulk.Run(ctx, cmd)
	default:
		value, err = b.pipeline.Run(ctx, cmd)
	}
	if pipeline.IsNotSent(err) {
		return value, nil, backing.NotSent(b.classify(err))
	}
	return value, nil, b.classify(err)
}

// run sends the script that command makes, and reads its reply, which must be of one of the
// kinds in want. A server may refuse a script because its keys are in several hash slots.
// The client's type does not reveal that if one address stands for many slots; the command
// is then made again, with a fence in the lock's slot.
func (b *Backing) run(ctx context.Context, how sending, want string, command func() *pipeline.Command) (reply, error) {
	apart := b.slots.Load()
	value, missing, err := b.send(ctx, how, command())
	if isCrossSlot(err) && !apart {
		b.slots.Store(true)
		value, missing, err = b.send(ctx, how, command())
	}
	if err != nil {
		return reply{}, err
	}
	r, err := parseReply(value.Value, want)
	r.repeated = value.Repeated
	if r.isGrant() || r.kind == yes {
		r.missing = missing
	}
	return r, err
}

func isCrossSlot(err error) bool { return err != nil && strings.Contains(err.Error(), "CROSSSLOT") }

// reply is the answer of a script: a letter, and for some letters a number.
type reply struct {
	kind     kind
	number   uint64 // the token of a grant, or the rest of the lease in ms, or noExpiry
	repeated bool   // another copy of the script has no reply, and may yet be applied
	missing  error  // with RequireAcks, the reason why a grant or a refresh does not count
}

func (r reply) isGrant() bool { return r.kind == granted || r.kind == resumed }

// kind is the first letter of a script's answer.
type kind byte

const (
	granted      kind = 'g' // with the token: the claimant has the lock
	resumed      kind = 'r' // with the token: the claimant had the lock already
	queued       kind = 'q' // with the rest of the holder's lease: the claimant is in the queue
	unsubscribed kind = 'u' // the same, and no subscriber of its channel is connected to the server
	polls        kind = 'p' // the claimant neither has the lock nor is in the queue
	yes          kind = 'y' // refreshed, or freed now
	no           kind = 'n' // not held, or refused
	earlier      kind = 'e' // freed earlier
)

// noExpiry is the rest of a lease that does not end, which a foreign client may have made.
const noExpiry = ^uint64(0)

// alteredReply is the advice on a reply that no script gives.
const alteredReply = "check whether a proxy or a hook of the client changes replies"

func parseReply(value, want string) (reply, error) {
	if value == "" || strings.IndexByte(want, value[0]) < 0 {
		return reply{}, fmt.Errorf("redis: a script replied %q, want one of %q: %s", value, want, alteredReply)
	}
	r, number, err := reply{kind: kind(value[0])}, value[1:], error(nil)
	switch isPlace := r.kind == queued || r.kind == unsubscribed; {
	case isPlace && strings.HasPrefix(number, "-"):
		r.number = noExpiry
	case isPlace || r.isGrant():
		r.number, err = strconv.ParseUint(number, 10, 64)
	case number != "":
		err = strconv.ErrSyntax
	}
	if err != nil {
		return reply{}, fmt.Errorf("redis: a script replied %q, want a letter and its number: %s", value, alteredReply)
	}
	return r, nil
}
