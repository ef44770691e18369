package redis

import (
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// memories says in which key the server remembers a release. The key of a client's last
// release of a lock is used again for the next one, which costs the server a third of what
// a new key does. But while a release is under way or has failed, and so may be
// repeated, another release of the same lock uses another key.
type memories struct {
	mu    sync.Mutex
	inUse map[memoryKey]memoryUse
}

type memoryUse struct {
	claim    string
	releases int // that are under way, or may be repeated
}

type memoryKey struct {
	lock string
	n    int
}

// take returns the number of the key for a release of the claim.
func (m *memories) take(lock, claim string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.inUse == nil {
		m.inUse = map[memoryKey]memoryUse{}
	}
	for n := 0; ; n++ {
		at := memoryKey{lock, n}
		if use := m.inUse[at]; use.releases == 0 || use.claim == claim {
			m.inUse[at] = memoryUse{claim, use.releases + 1}
			return n
		}
	}
}

// done ends the use of a key by a release, at once if that was answered.
func (m *memories) done(lock string, n int, err error) {
	if err != nil {
		time.AfterFunc(backing.ReleaseMemory, func() { m.done(lock, n, nil) })
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	at := memoryKey{lock, n}
	use := m.inUse[at]
	if use.releases--; use.releases > 0 {
		m.inUse[at] = use
		return
	}
	delete(m.inUse, at)
}
