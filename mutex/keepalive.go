package mutex

import (
	"context"

	"github.com/effectlock/effectlock/effect"
)

// KeepAlive is a held lock: the fiber that refreshes its lease. The fiber
// fails with a *[LockLostError] when the lock is lost, and is interrupted when
// the scope of the lock closes. Interrupting it earlier ends the refreshing, not
// the lock, which is then lost when its lease runs out. It is safe for concurrent
// use.
type KeepAlive struct {
	*effect.Fiber[effect.Never]
	lease *lease
}

// Key returns the key of the lock. With it, a resource can check that a token is
// meant for it.
func (k *KeepAlive) Key() string { return k.lease.Claim.Key }

// HolderID returns the id under which the store knows this holder. It is a
// secret of sorts: anyone who knows it can release the lock.
func (k *KeepAlive) HolderID() string { return k.lease.Claim.Holder }

// Token returns the fencing token of the grant, 0 if the store does not fence.
func (k *KeepAlive) Token() uint64 { return k.lease.token }

type keepAliveKey struct{} // the context key of the innermost lock

type holdOf struct{ lock *waitQueue } // the context key of the innermost hold of one lock

// FromContext returns the lock that work runs under: the innermost one inside [WithLock]
// and its variants. It returns false elsewhere, even in a scope that has acquired locks by
// [Mutex.Acquire]. Whether the lock is still held, only ctx says: it ends when the lock is
// lost.
func FromContext(ctx context.Context) (*KeepAlive, bool) {
	k, ok := ctx.Value(keepAliveKey{}).(*KeepAlive)
	return k, ok
}
