package timing_test

import (
	"os"
	"testing"

	"github.com/effectlock/effectlock/internal/redistest"
)

// TestMain is also where a process of holders begins: it is this binary again.
func TestMain(m *testing.M) {
	if encoded, ok := os.LookupEnv(ordersVariable); ok {
		os.Exit(follow(encoded))
	}
	redistest.Main(m)
}
