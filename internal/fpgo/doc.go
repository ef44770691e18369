// Package fpgo tries every operator of fp-go's idiomatic/context/readerresult under a lock,
// and checks the table in docs/fp-go.md against the results. It has tests only.
package fpgo
