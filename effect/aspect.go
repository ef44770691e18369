package effect

// Aspect is an operator that fits around an effect of any type.
type Aspect = Operator[Void, Void]
