// Package snippets keeps the Go code of the Markdown files true.
//
// Its tests read README.md, CONTRIBUTING.md, CHANGELOG.md and docs/*.md. A marker
// before every fenced block of Go names the source of the block, in a file that
// `go build` or `go test` compiles on this machine:
//
//	<!-- snippet: examples/quickstart/main.go#main:body -->
//
// The path starts at the root of the module. It may be followed by
//
//	(nothing)    the file from its package clause on
//	#Name        the declaration of Name, without its doc comment
//	#Type.Name   the declaration of a method
//	#Name:body   the statements of the function Name
//
// The tests fail for a block that differs from its source, or has none, and for a
// relative link to a file that does not exist. This rewrites the blocks:
//
//	go test ./internal/snippets -update
//
// Sources are named by declaration, not by comments around a region, so that an
// example has nothing in it that its reader must skip.
package snippets
