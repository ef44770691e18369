package mutex

import (
	"runtime"
	"sync"
	"weak"
)

// shared has one V for each key. Its users share it, and it goes when the last of them does.
// A value that the program has to close was rejected: it is one more thing to forget.
type shared[K comparable, V any] struct {
	mu   sync.Mutex
	made map[K]weak.Pointer[V]
}

func (s *shared[K, V]) of(k K, create func() *V) *V {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.made[k].Value(); v != nil {
		return v
	}
	if s.made == nil {
		s.made = map[K]weak.Pointer[V]{}
	}
	v := create()
	s.made[k] = weak.Make(v)
	runtime.AddCleanup(v, s.forget, k)
	return v
}

func (s *shared[K, V]) forget(k K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made[k].Value() == nil { // not made again meanwhile
		delete(s.made, k)
	}
}
