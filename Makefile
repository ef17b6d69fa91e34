# Everything a contributor runs. `make` alone lists the targets.
#
# LABS names every module under lab/: modules_test.go reads this line, so a module that is on no list is a failing test.
# BUILT names those of them that are only built, by a target of their own.
LABS := lab/dskit lab/dskit/bench lab/stores lab/consul lab/linear
BUILT := lab/consul/agent

FROM     ?= 1
SEEDS    ?= 500
FUZZTIME ?= 30s
BENCH    ?= .
ROUNDS   ?= 3
TOPICS   ?=
NODES    ?= 200
CASES    ?= 100000
HISTORIES ?= 100000
CUT      ?= 30

# The oldest Go that builds the product; the same number as the go line of go.mod.
GO_MIN := 1.26.7

TOOLS := bin/.built

.DEFAULT_GOAL := help
.PHONY: help dev test lint sim scale planted crowd laws histories netns fuzz bench gobench lab-consul install-check need-go need-git need-cc

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

dev: need-go ## three nodes in one process on loopback
	go run ./cmd/starling dev

test: need-go need-git need-cc lab-consul ## every test of every module, with the race detector
	@echo "test: product"
	@go test -race -timeout 20m ./...
	@echo "test: 500 seeds of the simulator, without the race detector: a seed is one goroutine"
	@go run ./cmd/starling sim --from 1 --seeds 500
	@for lab in $(LABS); do echo "test: $$lab"; (cd $$lab && go test -race -timeout 20m ./...) || exit 1; done
	@echo "tested: product $(LABS)"

lint: need-go $(TOOLS) ## vet, staticcheck and gofumpt
	@for dir in . $(LABS); do \
		echo "lint: $$dir"; \
		(cd $$dir && go vet ./... && $(CURDIR)/bin/staticcheck ./...) || exit 1; \
	done
	@unformatted=$$(bin/gofumpt -l .); \
	if [ -n "$$unformatted" ]; then echo "gofumpt would change (run: bin/gofumpt -w .):"; echo "$$unformatted"; exit 1; fi

sim: need-go ## a campaign: FROM= first seed, SEEDS= how many; adds a row to docs/campaigns.md
	go run ./cmd/starling sim --from $(FROM) --seeds $(SEEDS) --state .sim/$(FROM)-$(SEEDS).json --record docs/campaigns.md

scale: need-go ## clusters of 100 to 10,000 members in virtual time, about 10 minutes and 10 GB: writes docs/scale.md and its figures
	@mkdir -p bin
	@go build -o bin/starling-scale ./cmd/starling
	bin/starling-scale sim --nodes 100,300,1000,3000,10000 --loss 0,0.05,0.25 --dead 0,0.05 --rate 4 --warm 6s --for 6s --plot docs/scale.svg --document docs/scale.md

planted: need-go ## how soon the simulator finds each planted bug: the figures of docs/planted.md
	@for bug in P1 P2 P3 P4 P5 P6 P7 P8 P9 P10 P11 P12 P13 P14 P15 P16; do \
		printf '%s: ' $$bug; \
		go run ./cmd/starling sim --plant $$bug --seeds 2000 2>/dev/null | grep -a -m1 -A1 '^seed ' | tr '\n' ' ' || exit 1; echo; \
	done

crowd: need-go ## NODES= nodes in one process, on a network in memory: every update reaches all
	go test -run '^TestCrowd$$' -count=1 -timeout 20m -v . -crowd $(NODES)

laws: need-go ## CASES= random cases of the laws of every kind of value: the figures of docs/values.md
	go test -run '^TestLaws$$' -count=1 -timeout 30m -v ./crdt/crdttest -cases $(CASES)

histories: need-go ## HISTORIES= random histories of a hash ring, on dskit's own merge and on cells: the figures of docs/dskit.md
	cd lab/dskit && go test -run '^TestHistories' -count=1 -timeout 60m -v ./rings -histories $(HISTORIES)

netns: need-go ## three servers in network namespaces, one cut off for CUT= seconds; needs ip, and root or user namespaces
	@CUT=$(CUT) tools/netns

fuzz: need-go ## every fuzz target for FUZZTIME= each
	@FUZZTIME=$(FUZZTIME) tools/fuzz

bench: need-go ## starling beside dskit, about 20 minutes: writes docs/benchmarks.md; ROUNDS= of short topics, TOPICS= prints a choice
	@mkdir -p bin
	@cd lab/dskit && go build -o $(CURDIR)/bin/ ./dskitbench
	@cd lab/dskit/bench && go build -o $(CURDIR)/bin/ ./cmd/starlingbench ./cmd/bench
	@bin/bench -rounds $(ROUNDS) $(if $(TOPICS),-topics $(TOPICS),-record docs/benchmarks.md) bin/dskitbench bin/starlingbench

gobench: need-go ## every Go benchmark of the product; BENCH= chooses by name
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

lab-consul: need-go ## the Consul agent of the tests, into the user's cache: about ten minutes of CPU time, once
	@cd lab/consul && go run ./build

install-check: need-go need-git ## install the committed tree from a file proxy with an empty module cache
	@tools/install-check

# One stamp for both binaries: grouped targets need a newer make than some systems have.
$(TOOLS): tools/go.mod tools/go.sum
	@mkdir -p bin
	@cd tools && go build -o ../bin/ tool
	@touch $@

need-go:
	@command -v go >/dev/null || { echo "go is missing: install Go $(GO_MIN) or newer from https://go.dev/dl"; exit 1; }
	@have=$$(go env GOVERSION); want=go$(GO_MIN); \
	[ "$$(printf '%s\n%s\n' "$$want" "$$have" | sort -V | head -n 1)" = "$$want" ] || \
	{ echo "go is too old: $$have; install Go $(GO_MIN) or newer from https://go.dev/dl"; exit 1; }

need-git:
	@command -v git >/dev/null || { echo "git is missing: install it with your package manager (apt-get install git)"; exit 1; }

need-cc: need-go
	@set -- $$(go env CC); command -v "$$1" >/dev/null || { echo "a C compiler is missing, the race detector needs one: install gcc or clang (apt-get install gcc libc6-dev) or name one in CC"; exit 1; }
