// Package snippets checks that the Go code in the Markdown files is code that compiles.
//
// Its tests read README.md, CONTRIBUTING.md, CHANGELOG.md and docs/*.md. A marker
// before each fenced block of Go names the source of the block, in a file that
// `go build` or `go test` compiles on this machine:
//
//	<!-- snippet: examples/quickstart/main.go#main:body -->
//
// The path is relative to the root of the module. It may be followed by
//
//	(nothing)    the file from its package clause on
//	#Name        the declaration of Name, without its doc comment
//	#Type.Name   the declaration of a method
//	#Name:body   the statements of the function Name
//
// The tests fail if a block differs from its source or has none, and if a relative
// link leads to a file that does not exist. To rewrite the blocks:
//
//	go test ./internal/snippets -update
//
// Sources are named by declaration, not by comments around a region, so that the
// examples contain nothing that their readers must skip.
package snippets
