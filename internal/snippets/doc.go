// Package snippets keeps the Go code of the Markdown files true.
//
// Its tests read README.md, CONTRIBUTING.md, CHANGELOG.md and docs/*.md. Before
// every fenced block of Go stands a marker that names where the block comes from, a
// file that `go build` or `go test` compiles on this machine:
//
//	<!-- snippet: examples/quickstart/main.go#main:body -->
//
// The path starts at the root of the module. After it may stand
//
//	(nothing)    the file from its package clause on
//	#Name        the declaration of Name, without its doc comment
//	#Type.Name   the declaration of a method
//	#Name:body   the statements of the function Name
//
// A block that differs from its source, or has none, fails the test, and so does a
// relative link to a file that does not exist. This rewrites the blocks:
//
//	go test ./internal/snippets -update
//
// Sources are named by declaration, not by comments around a region, so that an
// example carries nothing that its reader has to skip.
package snippets
