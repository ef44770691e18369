package backing

// As finds an optional ability of b, one of [Passer], [Queue] and [Batcher]: in
// b itself, or in what it wraps.
//
// A decorator shows what it wraps with a method Unwrap() Backing. It must then
// leave keys and holders as they are, for an ability that is found beneath it is
// used without it.
func As[Ability any](b Backing) (Ability, bool) {
	for b != nil {
		if found, ok := b.(Ability); ok {
			return found, true
		}
		wrapper, ok := b.(interface{ Unwrap() Backing })
		if !ok {
			break
		}
		b = wrapper.Unwrap()
	}
	var none Ability
	return none, false
}
