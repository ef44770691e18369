package torture_test

import (
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/internal/proc"
	"github.com/effectlock/effectlock/internal/redistest"
)

func TestMain(m *testing.M) {
	goredis.SetLogger(silent{}) // its complaints about broken connections are useless here
	proc.Serve(map[string]proc.Worker{"client": work})
	redistest.Main(m)
}
