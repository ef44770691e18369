package hazards_test

import (
	"testing"

	"github.com/effectlock/effectlock/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }
