# dmm: what a developer types. build, test and demo need bash, Go, git and make, and nothing else.

SHELL := /bin/bash -o pipefail
export GO ?= go

version := $(or $(shell git describe --tags --always --dirty 2>/dev/null),unknown)
image   ?= dmm:$(version)

# FLAGS is for whoever calls make: make test FLAGS='-run TestCreate -v'
FLAGS ?=

# How everything is compiled, programs, tests and tools alike, so that nothing is compiled twice. The Google SDK speaks gRPC
# too, which dmm does not use and nobody wants to carry. Git is not asked to stamp binaries, since it refuses in somebody else's
# checkout; the version above names the commit. A workspace around the checkout is not about it.
export GOFLAGS := $(strip $(shell $(GO) env GOFLAGS) -tags=disable_grpc_modules -trimpath -buildvcs=false)
export GOWORK := off
LDFLAGS := -ldflags '-s -w -X main.version=$(version)'

.DEFAULT_GOAL := help
.PHONY: help build test race test-servers test-browser pictures matrix interleavings random kills breakage fuzz soak lint bench demo generate image chart e2e clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## ./bin/dmm, static
	CGO_ENABLED=0 $(GO) build $(LDFLAGS) -o bin/dmm ./cmd/dmm
	@size=$$(wc -c <bin/dmm); ((size < 65000000)) || { echo "bin/dmm has $$size bytes, and 65 MB is the limit" >&2; exit 1; }

test: ## all tests that need Go alone, of the longest a sample; the last lines say of which
	@scripts/test $(FLAGS)

race: ## the same with the race detector, which needs a C compiler and twice the time
	@scripts/test -race $(FLAGS)

test-servers: ## the tests that need a real server: MinIO, versitygw, fake-gcs-server, Azurite (npm), which it installs and starts
	scripts/test-servers $(FLAGS)

test-browser: ## the HTML report in a real Chromium: clicks, keys, hostile names, axe-core
	scripts/test-browser $(FLAGS)

pictures: ## docs/images, taken from the HTML report of a maintenance that is the same each time
	DMM_TEST_IMAGES="$(CURDIR)/docs/images" scripts/test-browser -v -run Pictures

# What make test draws a sample of (test/draw).
whole = DMM_TEST_DRAW=all CGO_ENABLED=0 $(GO) run ./scripts/testrun -count=1 -vet=off -timeout 30m $(FLAGS)

matrix: ## a maintenance whose process ends at each operation that it has with store and Domino
	@$(whole) -run TestCrashMatrix ./internal/modes

interleavings: ## two runs at once in every order, and runs that freeze at each operation
	@$(whole) -run TestTwoRunsInEveryOrder ./internal/modes
	@$(whole) -run TestAFrozenRun ./internal/modes

random: ## 2,000 maintenances that are made up
	@$(whole) -run TestNothingIsLost ./internal/modes

kills: ## real processes, killed at each point of a maintenance, and while they write
	@$(whole) ./test/kill
	@$(whole) -run TestKilledWriter ./internal/store/file

breakage: ## break each safety on purpose, one at a time, and show which tests notice
	@$(GO) run ./scripts/breakage $(FLAGS)

fuzz: ## every fuzz target with 50,000 inputs
	@scripts/fuzz 50000

soak: ## hours: 5,000,000 inputs for every fuzz target, 20,000 random maintenances, the whole matrix with the race detector
	scripts/fuzz 5000000
	$(GO) test -count=1 -timeout 12h -run TestNothingIsLost ./internal/modes -rapid.checks=20000 -rapid.seed=0
	DMM_TEST_DRAW=all $(GO) test -race -count=1 -timeout 2h -run TestCrashMatrix ./internal/modes

lint: ## gofmt, go vet, staticcheck, golangci-lint (import rules too); the linters are built the first time, in minutes
	@rc=0; \
	unformatted=$$(gofmt -l .) && [[ -z $$unformatted ]] || { echo "gofmt -w is needed on:" $$unformatted; rc=1; }; \
	$(GO) vet ./... || rc=1; \
	for linter in 'staticcheck' 'golangci-lint run'; do \
		$(GO) tool -modfile=scripts/tools/go.mod $$linter ./... || rc=1; \
	done; \
	exit $$rc

bench: ## benchmarks
	$(GO) test -run '^$$' -bench . -benchmem $(FLAGS) ./...

demo: build ## a whole maintenance of a simulated Domino
	./bin/dmm demo

generate: ## docs/reference.md and whatever else is made from the code
	$(GO) generate ./...

image: ## bin/dmm.tar, the container image as an OCI archive for amd64 and arm64; needs no daemon
	@for arch in amd64 arm64; do \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build $(LDFLAGS) -o bin/linux-$$arch/dmm ./cmd/dmm || exit 1; \
	done
	$(GO) run ./scripts/image -version $(version) -ref $(image) -o bin/dmm.tar \
		linux/amd64=bin/linux-amd64/dmm linux/arm64=bin/linux-arm64/dmm

chart: ## the chart as Helm renders it, with each Helm that is on the PATH
	@CGO_ENABLED=0 $(GO) run ./scripts/testrun -count=1 -vet=off $(FLAGS) ./test/chart

e2e: ## whole maintenances on the cluster that KUBECONFIG names; E2E_LOAD_IMAGE is the command that brings an image in
	@: $${KUBECONFIG:?must name a cluster to test on} $${E2E_LOAD_IMAGE:?must be a command that takes an OCI archive, such as kind load image-archive}
	@arch=$$($(GO) env GOARCH); \
	CGO_ENABLED=0 GOOS=linux $(GO) build $(LDFLAGS) -o bin/linux-$$arch/dmm ./cmd/dmm || exit 1; \
	for tag in e2e newer; do \
		$(GO) run ./scripts/image -version $(version)-$$tag -ref example.test/dmm:$$tag -o bin/$$tag.tar linux/$$arch=bin/linux-$$arch/dmm && \
		$$E2E_LOAD_IMAGE bin/$$tag.tar || exit 1; \
	done
	minio=$$(find "$${XDG_CACHE_HOME:-$$HOME/.cache}/dmm/bin" -name 'minio-*' 2>/dev/null | head -n 1); \
	E2E_IMAGE=example.test/dmm:e2e E2E_NEWER_IMAGE=example.test/dmm:newer E2E_MINIO=$${E2E_MINIO:-$$minio} \
		$(GO) test -count=1 -timeout 20m -parallel 4 $(FLAGS) ./test/e2e

clean: ## what the targets above have made here
	rm -rf bin
