package pipeline

import (
	"context"
	"errors"
	"sync/atomic"

	goredis "github.com/redis/go-redis/v9"
)

// attempt is a command as go-redis and its hooks see it. From the calls of its methods it
// learns whether a copy of the command that has no reply may have reached the server. The
// error alone does not show that: when the context has ended, go-redis returns the
// context's error, whatever became of what it had written.
//
// Its arguments are plain strings and integers. Pointers to them would be written
// without an allocation each, but a hook may expect what every other command has.
type attempt struct {
	goredis.StringCmd

	idempotent bool
	settled    bool // go-redis has said how it went
	written    bool // or read by a hook
	awaiting   bool // written, and there is no reply yet
	failed     bool // go-redis has failed at least once
	lost       bool // a copy was written that will have no reply; set for good
	read       bool // by a hook, before go-redis was asked to send it

	touched  atomic.Bool  // whether a copy may have been written; read by the caller meanwhile
	asked    atomic.Int32 // how often its context was asked for its Done, if it is sent alone
	failedAt int32        // asked, when go-redis failed last
}

// begin makes the attempt ready to be sent. Only what is lost it remembers.
func (a *attempt) begin(ctx context.Context, args []any, idempotent bool) {
	a.StringCmd = *goredis.NewStringCmd(ctx, args...)
	a.SetFirstKeyPos(firstKey)
	a.idempotent = idempotent
	a.settled, a.written, a.awaiting, a.failed, a.read = false, false, false, false, false
	a.asked.Store(0)
}

// connecting is called when the context is asked for its Done, as go-redis does before it
// takes a connection from its pool, and reports whether that is the first time. Until then
// the arguments were read by hooks only.
func (a *attempt) connecting() (first bool) {
	first = a.asked.Add(1) == 1
	if first && !a.failed && !a.settled {
		a.read = a.written
		a.written, a.awaiting = false, false
	}
	return first
}

// Args is called by go-redis whenever it writes the command, and by hooks.
func (a *attempt) Args() []any {
	asked := a.asked.Load()
	isHook := a.failed && !a.settled && asked > 0 && asked == a.failedAt // without another connection
	if !isHook {
		a.lost = a.lost || a.failed && a.awaiting
		a.written, a.awaiting = true, true
		a.touched.Store(true)
	}
	return a.StringCmd.Args()
}

// NoRetry is called by go-redis when it has failed, before it repeats the command, alone or
// with its batch. A request for a lock that was written and has no reply may still be
// applied, after its repetition was answered, and after its claimant has released; and one
// that has its reply would get another when its batch is repeated because of the first in
// it. To repeat a request that was written is left to the mutex, which then knows of it. So
// is a request that was not written: go-redis would use up the caller's time on a server
// that refuses connections, and in the end not say why.
func (a *attempt) NoRetry() bool {
	a.failed, a.failedAt = true, a.asked.Load()
	return !a.idempotent
}

// SetErr is called by go-redis with how reading the reply went. When a connection
// breaks amid the replies of a batch it is called once more for the commands that have
// theirs, as if they had failed too. Those keep their replies, but not beyond a
// repetition of the batch: a lock that was refused the first time may have been granted
// the second, when the connection broke again.
func (a *attempt) SetErr(err error) {
	switch {
	case err == nil || isReply(err):
		a.awaiting = false
	case a.settled && !a.awaiting && (a.Err() == nil || isReply(a.Err())):
		return
	}
	a.settled = true
	a.StringCmd.SetErr(err)
}

// outcome is what came back. failed is what sending it, alone or with others, failed
// with: if that was before anything was written, the attempt may not know.
func (a *attempt) outcome(failed error) (string, error) {
	value, err := a.Result()
	if err == nil && failed != nil && !isReply(failed) && (!a.settled || a.awaiting) {
		err = failed
	}
	if err != nil {
		value = ""
	}
	return value, err
}

// isUnanswered reports whether a copy of the command may be applied without a reply.
func (a *attempt) isUnanswered() bool { return a.awaiting || a.lost }

// isWithHook reports whether a hook has read the command, and go-redis has not failed to send it,
// which it asks about with NoRetry. The hook may have sent a copy of its own then.
func (a *attempt) isWithHook() bool { return a.read && !a.written && !a.failed }

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

// IsNotSent reports whether a command that failed with err was not written and will not
// be, in any copy.
func IsNotSent(err error) bool { return err != nil && !MayBeApplied(err) && !isReply(err) }

// isReply reports whether err is what a server has answered.
func isReply(err error) bool {
	var refused goredis.Error
	return errors.As(err, &refused)
}
