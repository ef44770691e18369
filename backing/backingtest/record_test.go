package backingtest

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// record is a set that cases may share between goroutines.
type record struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (r *record) add(key, holder string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	r.seen[fmt.Sprintf("%q %q", key, holder)] = true
}

func (r *record) has(key, holder string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[fmt.Sprintf("%q %q", key, holder)]
}

func (r *record) remove(key, holder string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.seen, fmt.Sprintf("%q %q", key, holder))
}

var errStore = errors.New("the store is tired")

const aMoment = time.Millisecond
