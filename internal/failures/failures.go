// Package failures takes joined errors apart, as effect.Failures does.
package failures

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

var (
	joinType   = reflect.TypeOf(errors.Join(errors.ErrUnsupported))
	prefixType = reflect.TypeOf(fmt.Errorf("%w", errors.ErrUnsupported))
)

// Of returns the failures that err joins, in order; see effect.Failures.
func Of(err error) []error {
	var wrappers []error // around the join, if there is one
	for e := err; e != nil; e = errors.Unwrap(e) {
		switch reflect.TypeOf(e) {
		case joinType:
			return parts(e, wrappers)
		case prefixType: // it adds text, and no type that a caller could look for
		default:
			wrappers = append(wrappers, e)
		}
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

func parts(join error, wrappers []error) (all []error) {
	for _, part := range join.(interface{ Unwrap() []error }).Unwrap() {
		for _, failure := range Of(part) {
			if len(wrappers) > 0 {
				failure = &wrapped{failure, wrappers, join}
			}
			all = append(all, failure)
		}
	}
	return all
}

// All reports whether test accepts every failure of err.
func All(err error, test func(error) bool) bool {
	for _, failure := range Of(err) {
		if !test(failure) {
			return false
		}
	}
	return true
}

// Is is errors.Is for a target of any type. errors.Is panics if both are values of one
// struct type with a slice, a map or a function behind an interface; Is finds such a target
// in no error.
func Is(err, target error) bool {
	return reflect.ValueOf(target).Comparable() && errors.Is(err, target)
}

// wrapped is one failure of a join that was wrapped in typed errors. errors.As finds those
// errors and this failure, but not the other failures of the join.
type wrapped struct {
	failure  error
	wrappers []error
	join     error
}

// Error returns the text of the outermost wrapper, with the failure in place of the join.
func (e *wrapped) Error() string {
	return strings.Replace(e.wrappers[0].Error(), e.join.Error(), e.failure.Error(), 1)
}

func (e *wrapped) Unwrap() error { return e.failure }

func (e *wrapped) Is(target error) bool {
	for _, w := range e.wrappers {
		if reflect.ValueOf(target).Comparable() && w == target {
			return true
		}
		if is, ok := w.(interface{ Is(target error) bool }); ok && is.Is(target) {
			return true
		}
	}
	return false
}

func (e *wrapped) As(target any) bool {
	into := reflect.ValueOf(target).Elem()
	for _, w := range e.wrappers {
		if reflect.TypeOf(w).AssignableTo(into.Type()) {
			into.Set(reflect.ValueOf(w))
			return true
		}
		if as, ok := w.(interface{ As(target any) bool }); ok && as.As(target) {
			return true
		}
	}
	return false
}
