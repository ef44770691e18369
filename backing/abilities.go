package backing

// Abilities lists what a store can do beyond the five operations. A field is nil
// if the store does not have that ability.
type Abilities struct {
	// Of is the store that these are the abilities of.
	Of Backing

	Queue    Queue
	Passer   Passer
	Batcher  Batcher
	Releaser Releaser
}

// Able is implemented by a store with abilities.
type Able interface {
	Backing
	// Abilities must return the same abilities at each call, with Of set to the
	// store itself, whose type is therefore one that can be compared: a pointer, say.
	Abilities() Abilities
}

// AbilitiesOf returns the abilities of b. They are none if b does not implement
// [Able], or if the abilities that it lists are those of another store.
//
// So a decorator cannot be bypassed by accident. One that embeds a store inherits
// its method Abilities, but what that lists belongs to the embedded store and does not
// count: only the five operations are called, on the decorator. A decorator that
// passes an ability on says so, in a method Abilities of its own. Looking through
// decorators with a method Unwrap was rejected: a store that counted calls of Refresh
// was not called when three leases were refreshed together.
func AbilitiesOf(b Backing) Abilities {
	able, ok := b.(Able)
	if !ok {
		return Abilities{}
	}
	if a := able.Abilities(); a.Of == b {
		return a
	}
	return Abilities{}
}
