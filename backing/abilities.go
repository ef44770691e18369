package backing

// Abilities lists what a store can do beyond the five operations. A field is nil
// if the store does not have that ability.
type Abilities struct {
	// Of is the store that has these abilities.
	Of Backing

	Queue    Queue
	Passer   Passer
	Batcher  Batcher
	Releaser Releaser
}

// Able is a store with abilities.
type Able interface {
	Backing
	// Abilities must return the same abilities at every call, with Of set to the store
	// itself. The store must therefore be comparable with ==, as a pointer is.
	Abilities() Abilities
}

// AbilitiesOf returns the abilities of b. It returns none if b does not implement [Able],
// or if b lists the abilities of another store.
//
// So a decorator cannot be bypassed by accident. One that embeds a store inherits its
// Abilities method, which names the embedded store and therefore does not count: the mutex
// calls only the decorator's five operations. A decorator that passes an ability on needs
// an Abilities method of its own.
func AbilitiesOf(b Backing) Abilities {
	// Looking through decorators with an Unwrap method was rejected: a decorator that
	// counted calls of Refresh was not called when three leases were refreshed together.
	able, ok := b.(Able)
	if !ok {
		return Abilities{}
	}
	if a := able.Abilities(); a.Of == b {
		return a
	}
	return Abilities{}
}
