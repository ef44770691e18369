// Package mistakes shows that the compiler and the linters report the mistakes that the
// library is designed to catch: a forgotten error, an effect that is never run, an operator of
// fp-go that is unsafe under a lock. It has tests only.
//
// The wrong programs are in testdata. The tests put them into a module of their own that
// imports this one, as a user's module does. Tests that need golangci-lint run in `make lint`,
// which sets EFFECTLOCK_LINTER to its path, and are skipped elsewhere.
package mistakes
