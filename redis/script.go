package redis

import (
	"crypto/sha1" //nolint:gosec // it names a script, as Redis wants it
	_ "embed"
	"encoding/hex"
	"strings"
)

// The Lua sources: parts first, then one for each operation.
var (
	//go:embed token.lua
	tokenSource string
	//go:embed queue.lua
	queueSource string

	//go:embed acquire.lua
	acquireSource string
	//go:embed refresh.lua
	refreshSource string
	//go:embed refresh_all.lua
	refreshAllSource string
	//go:embed release.lua
	releaseSource string
	//go:embed enqueue.lua
	enqueueSource string
	//go:embed pass.lua
	passSource string
)

var (
	acquireScript    = newScript(tokenSource, acquireSource)
	refreshScript    = newScript(refreshSource)
	refreshAllScript = newScript(refreshAllSource)
	releaseScript    = newScript(tokenSource, queueSource, releaseSource)
	enqueueScript    = newScript(tokenSource, queueSource, enqueueSource)
	passScript       = newScript(tokenSource, queueSource, passSource)
)

// script is one that the server runs, and the name under which it keeps it. Both
// are strings, made ready to be arguments of a command.
type script struct{ source, name any }

func newScript(parts ...string) *script {
	source := strings.Join(parts, "")
	sum := sha1.Sum([]byte(source)) //nolint:gosec // see the import
	return &script{source: source, name: hex.EncodeToString(sum[:])}
}
