package redis

import (
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// memories says in which key the server remembers a release. All claims on a lock use one key in turn, which
// costs the server a third of what a new key does. But while a release is under way or has failed, and so may be
// repeated, another claim's release of the same lock is remembered in a key of its own.
type memories struct {
	mu    sync.Mutex
	inUse map[memoryOf]memoryUse
}

// memoryOf is a key in which a release is remembered: the claim's own, or, if claim is "", the common one.
type memoryOf struct{ lock, claim string }

type memoryUse struct {
	claim    string
	releases int // that are under way, or may be repeated
}

// take returns the key for a release of the claim, the same one while that may be repeated.
func (m *memories) take(lock, claim string) memoryOf {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.inUse == nil {
		m.inUse = map[memoryOf]memoryUse{}
	}
	at, own := memoryOf{lock, ""}, memoryOf{lock, claim}
	if common := m.inUse[at]; m.inUse[own].releases > 0 || common.releases > 0 && common.claim != claim {
		at = own
	}
	m.inUse[at] = memoryUse{claim, m.inUse[at].releases + 1}
	return at
}

// done ends the use of a key by a release, at once if that was answered.
func (m *memories) done(at memoryOf, err error) {
	if err != nil {
		time.AfterFunc(backing.ReleaseMemory, func() { m.done(at, nil) })
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if use := m.inUse[at]; use.releases > 1 {
		m.inUse[at] = memoryUse{use.claim, use.releases - 1}
	} else {
		delete(m.inUse, at)
	}
}
