module github.com/effectlock/effectlock/internal/miniredis

go 1.26.0

require (
	github.com/alicebob/miniredis/v2 v2.40.0
	github.com/effectlock/effectlock v0.0.0
	github.com/go-redis/redismock/v9 v9.2.0
	github.com/redis/go-redis/v9 v9.23.0
	go.uber.org/goleak v1.3.0
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect

require (
	github.com/IBM/fp-go/v2 v2.3.100
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/stretchr/testify v1.12.1
	github.com/yuin/gopher-lua v1.1.1 // indirect
	go.uber.org/atomic v1.12.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
)

replace github.com/effectlock/effectlock => ../..
