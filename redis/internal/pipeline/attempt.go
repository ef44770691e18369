package pipeline

import (
	"context"
	"errors"
	"sync/atomic"

	goredis "github.com/redis/go-redis/v9"
)

// attempt is a command as go-redis and its hooks see it. From the calls of its methods it
// infers whether a copy of the command that has no reply may have reached the server. The
// error alone does not show that: once the context has ended, go-redis returns the
// context's error, whatever became of what it had written.
//
// Its arguments are plain strings and integers. Pointers to them could be written without
// an allocation each, but a hook may expect the types that every other command has.
type attempt struct {
	goredis.StringCmd
	progress

	unanswered bool         // a copy was written that will get no reply; never cleared
	touched    atomic.Bool  // a copy may have been written; the caller reads this meanwhile
	asked      atomic.Int32 // the calls of Done of its context, if it is sent alone
}

// progress is how far go-redis, which may try several times, has come with sending the
// command.
type progress struct {
	idempotent bool
	alone      bool
	failedAt   int32 // the value of asked when go-redis last failed
	read       bool  // a hook has read the command
	awaiting   bool  // written, without a reply yet
	replied    bool  // has a reply, and was not written again since
	failed     bool  // go-redis has failed to send it at least once
}

// begin makes the attempt ready to be sent, perhaps for a second time. It keeps unanswered.
func (a *attempt) begin(ctx context.Context, args []any, idempotent, alone bool) {
	a.StringCmd = *goredis.NewStringCmd(ctx, args...)
	a.SetFirstKeyPos(firstKey)
	a.progress = progress{idempotent: idempotent, alone: alone}
	a.asked.Store(0)
}

// Args is called by go-redis whenever it writes the command, and by hooks. Before go-redis
// writes a command that is alone it takes a connection, for which it calls Done of the
// context.
func (a *attempt) Args() []any {
	if a.alone && a.asked.Load() == a.failedAt {
		a.read = true
		return a.StringCmd.Args()
	}
	a.unanswered = a.unanswered || a.failed && a.awaiting
	a.awaiting, a.replied = true, false
	a.touched.Store(true)
	return a.StringCmd.Args()
}

// NoRetry is called by go-redis when it has failed, before it repeats the command, alone or
// with its batch. A request for a lock that was written and has no reply may still be
// applied after its repetition was answered, and after its claimant has released; and a
// request that has its reply would get another when its batch is repeated because of the
// first in it. The mutex repeats a request that was written, and then knows of the earlier
// copy. It also repeats a request that was not written: go-redis would use up the caller's
// time on a server that refuses connections, and in the end not say why.
func (a *attempt) NoRetry() bool {
	a.failed, a.failedAt = true, a.asked.Load()
	return !a.idempotent
}

// SetErr is called by go-redis with the result of reading the reply. When a connection
// breaks amid the replies of a batch, it is called again for the commands that have theirs,
// as if they had failed too. Those keep their replies, but not beyond a repetition of the
// batch: a lock that was refused the first time may have been granted the second, when the
// connection broke again.
func (a *attempt) SetErr(err error) {
	if err == nil || isReply(err) {
		a.awaiting, a.replied = false, true
	} else if a.replied {
		return
	}
	a.StringCmd.SetErr(err)
}

// outcome returns the reply or the error. failed is the error of sending the attempt, alone
// or with others; if nothing was written, go-redis may not have set it on the attempt.
//
// If a hook has read the command, and go-redis has not failed to send it, which it would
// have shown by calling NoRetry, the hook may have sent a copy of its own.
func (a *attempt) outcome(failed error) (string, error) {
	value, err := a.Result()
	if err == nil && failed != nil && !isReply(failed) && !a.replied {
		err = failed
	}
	if err == nil {
		return value, nil
	}
	if a.awaiting || a.unanswered || a.read && !a.failed && !isReply(err) {
		err = &noReplyError{err}
	}
	return "", err
}

// noReplyError is the error of a command that was, or may have been, written and has no
// reply: it may have been applied, or may yet be.
type noReplyError struct{ error }

func (e *noReplyError) Unwrap() error { return e.error }

// MayBeApplied reports whether a command that failed with err was, or may have been,
// written and has no reply.
func MayBeApplied(err error) bool {
	_, ok := errors.AsType[*noReplyError](err)
	return ok
}

// IsNotSent reports whether no copy of a command that failed with err was written, or will
// be.
func IsNotSent(err error) bool { return err != nil && !MayBeApplied(err) && !isReply(err) }

// isReply reports whether err is an answer of a server.
func isReply(err error) bool {
	var refused goredis.Error
	return errors.As(err, &refused)
}
