// Package script has the Lua scripts as the server knows them.
package script

import (
	"crypto/sha1" //nolint:gosec // Redis names scripts by it
	"encoding/hex"
	"strings"
)

// Script is a Lua script, with the name under which a server that has run it keeps it.
type Script struct {
	Source string
	SHA    string

	// Idempotent scripts do no harm if they run twice, however late the first run is.
	// Only those may be repeated by the client itself.
	Idempotent bool

	name any
}

// Name is SHA as a word of a command, made once.
func (s *Script) Name() any { return s.name }

// New joins the parts of a script, which is not idempotent unless its owner says so.
func New(parts ...string) *Script {
	source := strings.Join(parts, "")
	sum := sha1.Sum([]byte(source)) //nolint:gosec // see the import
	name := hex.EncodeToString(sum[:])
	return &Script{Source: source, SHA: name, name: name}
}
