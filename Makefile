# make test   the whole check of a change, as CI runs it
# make check  the same without fuzzing and without the benchmarks' tests: before each commit
# make fuzz   each fuzz target for FUZZTIME seconds
# make natlab nodes behind address translators, in network namespaces; writes docs/natlab.md
# make sim    the figures of whole meshes in virtual time; most of an hour
# make lines  acknowledged messages on slow, long and shared lines, in virtual time; minutes
# make siege  identities ground next to a leaf, also among 1,000 relays; long
# make bench  the benchmarks, against others
# make build  bin/peermesh

SHELL := bash
.SHELLFLAGS := -euo pipefail -c

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 120

.PHONY: test check fmt-check vet staticcheck unit budgets nowebrtc bench-build bench-test lab lab-tools natlab tools browser shells promtool fuzz sim lines siege bench build fmt

# What the check leaves out where it is missing is needed here.
test: export REQUIRE_CHROMIUM = 1
test: export REQUIRE_LAB_TOOLS = 1
test: export REQUIRE_SHELLS = 1
test: browser shells promtool lab-tools check nowebrtc bench-test lab
	.ci/fuzz 10

check: tools fmt-check vet staticcheck unit budgets bench-build

# The race detector needs a C compiler; all else is Go.
tools:
	@command -v go >/dev/null || { echo "install Go 1.26 or newer first: https://go.dev/dl" >&2; exit 1; }
	@command -v gcc >/dev/null || { apt-get update && apt-get install -y gcc libc6-dev; }

# A browser to link with, as Debian has it.
browser:
	@command -v chromium >/dev/null || { apt-get update && apt-get install -y --no-install-recommends chromium; }

# What tests the alerts of deploy/prometheus. The package would start a server; its
# tool alone is taken out of it.
promtool:
	@command -v promtool >/dev/null || { apt-get update && dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && cd "$$dir" && \
		apt-get download prometheus && dpkg-deb -x prometheus_*.deb . && install usr/bin/promtool /usr/local/bin/; }

fmt-check:
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "gofmt would change:"; echo "$$files"; exit 1; fi

vet:
	go vet ./...

staticcheck:
	go run $(STATICCHECK) ./...

unit:
	go test -race -shuffle=on $$(go list ./... | grep -v /internal/natlab$$)

# Budgets of memory and allocations, transfers of full size and a simulation: what
# the race detector changes too much.
budgets:
	go test ./dgram ./internal/ws
	go test -run IdleLinkBudget ./node
	go test -run 'SessionsInUse|DisplacesItsOwn|ReconnectsCount|NewcomersFindRoom' ./internal/session
	PEERMESH_TEST_MANY_LINKS=1 go test -run 'CostLittle|DoNotReadAreCut' ./internal/hostile
	go test -run SiegeOfRealRelays ./internal/hostile
	go test -run 'SimOfNodesWithoutURLs|SimOfASiege|SimOfManyDroppers|SimOfPoisonedRecords|SimOfAWithdrawal|SimOfCopies|SimOfWhatRecordsCost' ./testnet

# The build that leaves WebRTC out.
nowebrtc:
	go vet -tags nowebrtc ./...
	go test -tags nowebrtc ./transport/webrtc ./node
	go test -tags nowebrtc -run OverWebRTC ./testnet
	go test -tags nowebrtc -run 'Scripts|Config' ./cmd/peermesh

bench-build:
	cd bench && go vet ./... && go build -o /dev/null .

bench-test:
	cd bench && go test ./...

# What the tests run beside nodes: the tools of network namespaces, which only root has,
# a TURN server, and proxies of others'. To install them starts no service.
LAB_PROGRAMS := ip nft turnserver squid microsocks haproxy nginx
lab-tools:
	@PATH="$$PATH:/usr/sbin:/sbin"; missing=; for p in $(LAB_PROGRAMS); do command -v "$$p" >/dev/null || missing="$$missing $$p"; done; [ -z "$$missing" ] || { \
		[ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; trap 'rm -f /usr/sbin/policy-rc.d' EXIT; }; \
		apt-get update && apt-get install -y --no-install-recommends iproute2 nftables coturn squid microsocks haproxy nginx-light; }

lab natlab: export REQUIRE_LAB_TOOLS = 1

# The shells whose completion is tried.
shells:
	@command -v zsh >/dev/null && command -v fish >/dev/null || { apt-get update && apt-get install -y --no-install-recommends zsh fish; }

# In the directory of the package, so that go test shows the table. It measures
# times, so it runs beside no other package and without the race detector.
lab: lab-tools
	cd internal/natlab && go test -count=1 -timeout 10m

natlab: lab-tools
	cd internal/natlab && go test -count=1 -timeout 20m -longcuts -longstops -long -v -table ../../docs/natlab.md

fuzz: tools
	.ci/fuzz $(FUZZTIME)

sim:
	.ci/sim

lines:
	go test -run 'TestLines$$' -v -timeout 60m ./testnet -large

siege:
	go test -run 'Siege|SimOfWhatRecordsCost' -v -timeout 60m ./testnet -large
	go test -run Siege -v -timeout 60m ./internal/hostile -large

bench:
	cd bench && go run .

build:
	go build -o bin/peermesh ./cmd/peermesh

fmt:
	gofmt -w .
