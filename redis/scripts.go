package redis

import (
	_ "embed"

	"github.com/effectlock/effectlock/redis/internal/script"
)

// The Lua sources: parts first, then one for each operation.
var (
	//go:embed token.lua
	tokenSource string
	//go:embed queue.lua
	queueSource string

	//go:embed acquire_free.lua
	acquireFreeSource string
	//go:embed acquire.lua
	acquireSource string
	//go:embed pass_free.lua
	passFreeSource string
	//go:embed pass.lua
	passSource string
	//go:embed release_free.lua
	releaseFreeSource string
	//go:embed release.lua
	releaseSource string
	//go:embed refresh.lua
	refreshSource string
	//go:embed refresh_all.lua
	refreshAllSource string
)

var (
	acquireScript    = script.New(tokenSource, acquireFreeSource, queueSource, acquireSource)
	passScript       = script.New(tokenSource, passFreeSource, queueSource, passSource)
	releaseScript    = script.New(releaseFreeSource, queueSource, releaseSource)
	refreshScript    = idempotent(refreshSource)
	refreshAllScript = idempotent(refreshAllSource)
)

// idempotent marks a script that go-redis may repeat by itself.
func idempotent(source string) *script.Script {
	s := script.New(source)
	s.Idempotent = true
	return s
}
