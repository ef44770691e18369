package mutex

import (
	"runtime"
	"sync"
	"weak"
)

// interned finds the one V of each key. Those who need it share it, however
// often they ask; it is forgotten with the last of them. Things that a user would
// have to close were the alternative: one more thing to forget.
type interned[K comparable, V any] struct {
	mu   sync.Mutex
	made map[K]weak.Pointer[V]
}

func (i *interned[K, V]) of(k K, create func() *V) *V {
	i.mu.Lock()
	defer i.mu.Unlock()
	if v := i.made[k].Value(); v != nil {
		return v
	}
	if i.made == nil {
		i.made = map[K]weak.Pointer[V]{}
	}
	v := create()
	i.made[k] = weak.Make(v)
	runtime.AddCleanup(v, i.forget, k)
	return v
}

func (i *interned[K, V]) forget(k K) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.made[k].Value() == nil { // not made anew meanwhile
		delete(i.made, k)
	}
}
