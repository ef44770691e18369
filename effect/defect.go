package effect

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
)

// Defect is a panic that is reported away from where it happened: in an [Exit], or in the
// goroutine that called [Fiber.Join], [Race] or the like, which panics with the *Defect as
// the value.
//
// Within one goroutine a panic keeps its own value: [Scoped] and [OnExit] run their
// finalizers and let it continue.
type Defect struct {
	// Value is what panic was called with, or [ErrGoexit].
	Value any
	// Stack is the stack of the goroutine that panicked.
	Stack []byte
	// Finalizers joins the failures of the finalizers that ran while the panic passed.
	Finalizers error
}

// ErrGoexit is the Value of a [Defect] whose effect called runtime.Goexit, as the FailNow
// method of a test does. Where another defect panics again, this one calls runtime.Goexit
// again.
var ErrGoexit = errors.New("effect: runtime.Goexit was called")

// Tag returns "Defect".
func (*Defect) Tag() string { return "Defect" }

// Error includes the stack, because this is what an unrecovered panic prints.
func (d *Defect) Error() string { return d.text(error.Error) + "\n\n" + string(d.Stack) }

func (d *Defect) text(of func(error) string) string {
	msg := fmt.Sprintf("panic: %v", d.Value)
	if d.Finalizers != nil {
		msg += "\nand then, in a finalizer: " + of(d.Finalizers)
	}
	return msg
}

// Unwrap returns Value, if it is an error, and Finalizers, if it is not nil.
func (d *Defect) Unwrap() []error {
	var errs []error
	if err, ok := d.Value.(error); ok {
		errs = append(errs, err)
	}
	if d.Finalizers != nil {
		errs = append(errs, d.Finalizers)
	}
	return errs
}

// newDefect makes a defect of what recover returned, which is nil for runtime.Goexit. It
// must be called in the deferred function that recovered, while the stack still holds the
// frames that panicked. A defect that was raised again keeps its first stack.
func newDefect(recovered any) *Defect {
	switch r := recovered.(type) {
	case *Defect:
		return r
	case nil:
		recovered = ErrGoexit
	}
	return &Defect{Value: recovered, Stack: debug.Stack()}
}

func (d *Defect) raise() {
	if d.Value == ErrGoexit {
		runtime.Goexit()
	}
	panic(d)
}

func asDefect(err error) (*Defect, bool) { return errors.AsType[*Defect](err) }
