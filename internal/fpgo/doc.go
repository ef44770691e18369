// Package fpgo tries every operator of fp-go's idiomatic/context/readerresult under a lock,
// and holds the table of docs/fp-go.md to the results. It has tests only.
package fpgo
