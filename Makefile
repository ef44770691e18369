# CI runs lint, test and a short torture: see .ci/run.

.DEFAULT_GOAL := help

# With `go run`, the linter is not a dependency of the module. The build cache keeps the
# program, so only the first run has to build it.
GOLANGCI := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# In the root, ./... stops at each nested go.mod, so the modules are listed here, the root first.
MODULES := . $(patsubst %/go.mod,%,$(shell find . -mindepth 2 -name go.mod -not -path '*/.*/*' -not -path '*/testdata/*' | sort))

# If one module fails, the others still run, so that one log shows every failure.
each = status=0; for module in $(MODULES); do \
	echo "== $$module: $(1)"; (cd "$$module" && $(1)) || status=1; done; exit $$status

COVERED     := effect schedule backing/memory mutex
COVER_FLOOR := 95

# How often `make race` runs each test.
COUNT ?= 20

# About how long `make torture` runs. Each of its runs needs some time to show anything, so
# all of them together take at least three minutes.
TORTURE ?= 10m

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Where the tests find the servers and proxies that they start.
SERVERS = PATH="$$PATH:/usr/sbin"; export EFFECTLOCK_REDIS_SERVER="$${EFFECTLOCK_REDIS_SERVER:-$$(command -v redis-server)}" \
	EFFECTLOCK_HAPROXY="$$(command -v haproxy)" EFFECTLOCK_TWEMPROXY="$$(command -v nutcracker)"

# The explorer visits millions of states in one goroutine. Under the race detector only the
# models with fewer states run: it would make the others slow, and find nothing in them.
EXPLORER := TestNobody|TestEveryFlaw

# -count=1: a cached result says nothing about the server that is installed now.
.PHONY: test
test: tools ## run every test under -race, on real servers too, and check coverage; installs what is missing
	@$(SERVERS); $(call each,go test -race -count=1 -timeout=15m -coverprofile=cover.out ./...)
	go test -count=1 -run '$(EXPLORER)' ./internal/protocol
	@$(MAKE) --no-print-directory cover

.PHONY: cover
cover: ## check the coverage that the last `make test` wrote to cover.out
	@test -f cover.out || { echo "cover: no cover.out: run make test first" >&2; exit 1; }
	@awk -v module="$$(go list -m)" -v packages="$(COVERED)" -v floor=$(COVER_FLOOR) ' \
		NR > 1 { name = $$1; sub(/\/[^\/]*:.*/, "", name); all[name] += $$2; if ($$3) hit[name] += $$2 } \
		END { \
			n = split(packages, want, " "); \
			for (i = 1; i <= n; i++) { \
				name = module "/" want[i]; \
				if (!all[name]) { printf "cover: %s: no statement in cover.out\n", want[i]; bad = 1; continue } \
				percent = 100 * hit[name] / all[name]; low = percent < floor; bad = bad || low; \
				printf "cover: %-16s %5.1f%%%s\n", want[i], percent, low ? "  below the floor of " floor "%" : "" \
			} \
			exit bad \
		}' cover.out

.PHONY: race
race: ## look for flakes: every test COUNT (20) times under -race
	@$(call each,go test -race -count=$(COUNT) -timeout=30m ./...)

.PHONY: torture
torture: tools ## the long runs on real servers, one at a time, under -race: faults, kills, failovers, for TORTURE (10m)
	@$(SERVERS) EFFECTLOCK_TORTURE=$(TORTURE); go test -race -count=1 -timeout=0 -v ./internal/torture

.PHONY: lint
lint: ## gofmt, go mod tidy, go vet and golangci-lint, and a test that they report known mistakes
	@files=$$(gofmt -l .) || exit 1; test -z "$$files" || { echo "gofmt -w these files:"; echo "$$files"; exit 1; }
	@$(call each,go mod tidy -diff)
	@$(call each,go vet ./...)
	@$(call each,$(GOLANGCI) run ./...)
	EFFECTLOCK_LINTER="$(GOLANGCI)" go test -count=1 ./internal/mistakes

.PHONY: bench
bench: tools ## run the Go benchmarks, then this library beside its peers (35 minutes): docs/benchmarks.md
	go test -run '^$$' -bench . -benchmem ./...
	cd bench && go run . -out ../docs

.PHONY: doc
doc: ## check the Go code and the links of the Markdown files, and print the documentation of every package
	go test -count=1 ./internal/snippets
	@for package in $$(go list ./... | grep -v -E '/(internal|examples)(/|$$)'); do \
		echo; echo "===== $$package"; go doc -all "$$package" || exit 1; done

# A Debian with only Go, git and make also lacks the C compiler that -race needs.
# The Debian packages may start services, for example Redis on port 6379. The tests never
# connect to them: they start their own servers from the same programs. The proxies are in
# /usr/sbin, which is not in every user's PATH.
.PHONY: tools
tools:
	@PATH="$$PATH:/usr/sbin"; missing=; \
	if [ -n "$$EFFECTLOCK_REDIS_SERVER" ]; then \
		command -v "$$EFFECTLOCK_REDIS_SERVER" >/dev/null || \
			{ echo "make test: EFFECTLOCK_REDIS_SERVER=$$EFFECTLOCK_REDIS_SERVER is not a program: set it to a redis-server, or unset it" >&2; exit 1; }; \
	else \
		command -v redis-server >/dev/null || missing="$$missing redis-server"; \
	fi; \
	command -v haproxy >/dev/null || missing="$$missing haproxy"; \
	command -v nutcracker >/dev/null || missing="$$missing nutcracker"; \
	set -- $$(go env CC); command -v "$$1" >/dev/null || missing="$$missing gcc libc6-dev"; \
	test -n "$$missing" || exit 0; \
	fail() { echo "make test needs$$missing, and $$1. Install it by hand and run make test again; go test ./... needs none of it." >&2; exit 1; }; \
	command -v apt-get >/dev/null || fail "there is no apt-get on this machine"; \
	sudo=; test "$$(id -u)" = 0 || sudo=sudo; \
	test -z "$$sudo" || command -v sudo >/dev/null || fail "only root can install it, because there is no sudo"; \
	echo "== installing$$missing"; \
	$$sudo apt-get update -q </dev/null || echo "apt-get update failed: trying with the package lists that are already here" >&2; \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing </dev/null || \
		fail "apt-get could not install it"
