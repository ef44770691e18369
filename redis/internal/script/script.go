// Package script holds Lua scripts, and the names by which servers know them.
package script

import (
	"crypto/sha1" //nolint:gosec // Redis names scripts by it
	"encoding/hex"
	"strings"
)

// Script is a Lua script, with the name by which a server that has run it knows it.
type Script struct {
	Source string
	SHA    string

	// Idempotent scripts do no harm if they run twice, however late the first run is. Only
	// these may be repeated by the client itself.
	Idempotent bool

	name any
}

// Name returns SHA as a word of a command, made once.
func (s *Script) Name() any { return s.name }

// New joins the parts of a script. It is not idempotent unless the caller says so.
func New(parts ...string) *Script {
	source := strings.Join(parts, "")
	sum := sha1.Sum([]byte(source)) //nolint:gosec // see the import
	name := hex.EncodeToString(sum[:])
	return &Script{Source: source, SHA: name, name: name}
}
