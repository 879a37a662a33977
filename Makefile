# make test   the whole check of a change, as CI runs it
# make check  the same without fuzzing and without the benchmarks' tests: before each commit
# make fuzz   each fuzz target for FUZZTIME seconds
# make sim    the figures of whole meshes in virtual time; most of an hour
# make bench  the benchmarks, against others
# make build  bin/peermesh

SHELL := bash
.SHELLFLAGS := -euo pipefail -c

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 120

.PHONY: test check fmt-check vet staticcheck unit budgets bench-build bench-test tools fuzz sim bench build fmt

test: check bench-test
	.ci/fuzz 10

check: tools fmt-check vet staticcheck unit budgets bench-build

# The race detector needs a C compiler; all else is Go.
tools:
	@command -v go >/dev/null || { echo "install Go 1.26 or newer first: https://go.dev/dl" >&2; exit 1; }
	@command -v gcc >/dev/null || { apt-get update && apt-get install -y gcc libc6-dev; }

fmt-check:
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "gofmt would change:"; echo "$$files"; exit 1; fi

vet:
	go vet ./...

staticcheck:
	go run $(STATICCHECK) ./...

unit:
	go test -race -shuffle=on ./...

# Budgets of memory and allocations, transfers of full size and a simulation: what
# the race detector changes too much.
budgets:
	go test ./dgram ./internal/ws
	go test -run IdleLinkBudget ./node
	go test -run SimOfNodesWithoutURLs ./testnet

bench-build:
	cd bench && go vet ./... && go build -o /dev/null .

bench-test:
	cd bench && go test ./...

fuzz: tools
	.ci/fuzz $(FUZZTIME)

sim:
	.ci/sim

bench:
	cd bench && go run .

build:
	go build -o bin/peermesh ./cmd/peermesh

fmt:
	gofmt -w .
