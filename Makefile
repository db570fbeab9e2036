# dmm: what a developer types. build, test and demo need Go and git, and nothing else.

SHELL := /bin/bash -o pipefail
GO    ?= go
cache := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dmm

version := $(or $(shell git describe --tags --always --dirty 2>/dev/null),unknown)
image   ?= dmm:$(version)

# The linters, pinned in scripts/tools/go.sum and built once for each state of that file and of Go.
tools := $(cache)/tools-$(shell { cat scripts/tools/go.mod scripts/tools/go.sum; $(GO) version; } | git hash-object --stdin | cut -c1-16)

# The race detector needs C. FLAGS is for whoever calls make: make test FLAGS='-run TestCreate -v'
cc   := $(shell command -v "$$($(GO) env CC)" 2>/dev/null)
race := $(and $(cc),-race)
FLAGS ?=
# The Google SDK speaks gRPC too, which dmm does not use and nobody wants to carry.
BUILDFLAGS := -tags disable_grpc_modules -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(version)'

.DEFAULT_GOAL := help
.PHONY: help build test test-servers test-browser pictures matrix breakage soak lint bench demo generate image e2e clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## ./bin/dmm, static
	CGO_ENABLED=0 $(GO) build $(BUILDFLAGS) -o bin/dmm ./cmd/dmm
	@size=$$(wc -c <bin/dmm); ((size < 65000000)) || { echo "bin/dmm has $$size bytes, and 65 MB is the limit" >&2; exit 1; }

test: ## all tests; with the race detector where there is a C compiler
	@CGO_ENABLED=$(if $(race),1,0) $(GO) test $(race) -timeout 30m $(FLAGS) ./... || { \
		echo 'FAILED ($(if $(race),with,without) the race detector)' >&2; exit 1; }
	@echo '$(if $(race),race detector: on,race detector: OFF, no C compiler found (CC=$(shell $(GO) env CC)))'

test-servers: ## the tests that need a real server: MinIO, versitygw, fake-gcs-server, Azurite (npm), which it installs and starts
	scripts/test-servers $(FLAGS)

test-browser: ## the HTML report in a real Chromium: clicks, keys, hostile names, axe-core
	scripts/test-browser $(FLAGS)

pictures: ## docs/images, taken from the HTML report of a maintenance that is the same each time
	DMM_TEST_IMAGES=$(CURDIR)/docs/images scripts/test-browser -v -run Pictures

matrix: ## the whole crash matrix, of which make test runs a tenth
	@$(GO) test -count=1 -timeout 20m -v -run TestCrashMatrix ./internal/modes -args -matrix | grep -vE '^ *(=== |--- PASS)|level='

breakage: ## break each safety on purpose, one at a time, and show which tests notice
	@$(GO) run ./scripts/breakage

soak: ## hours: 5,000,000 inputs for every fuzz target, 20,000 random maintenances, the whole matrix with the race detector
	scripts/fuzz 5000000
	$(GO) test -count=1 -timeout 12h -run TestNothingIsLost ./internal/modes -rapid.checks=20000 -rapid.seed=0
	$(GO) test -race -count=1 -timeout 2h -run TestCrashMatrix ./internal/modes -args -matrix

lint: $(tools)/.done ## gofmt, go vet, staticcheck, golangci-lint (import rules too)
	@rc=0; \
	unformatted=$$(gofmt -l .) && [[ -z $$unformatted ]] || { echo "gofmt -w is needed on:" $$unformatted; rc=1; }; \
	$(GO) vet ./... || rc=1; \
	$(tools)/staticcheck ./... || rc=1; \
	$(tools)/golangci-lint run ./... || rc=1; \
	exit $$rc

$(tools)/.done:
	@echo 'building the linters into $(tools) (once, takes minutes)' >&2
	@mkdir -p $(tools)
	cd scripts/tools && CGO_ENABLED=0 $(GO) build -trimpath -o $(tools)/ \
		github.com/golangci/golangci-lint/v2/cmd/golangci-lint honnef.co/go/tools/cmd/staticcheck
	@touch $@

bench: ## benchmarks
	$(GO) test -run '^$$' -bench . -benchmem $(FLAGS) ./...

demo: build ## a whole maintenance of a simulated Domino
	./bin/dmm demo

generate: ## docs/reference.md and whatever else is made from the code
	$(GO) generate ./...

image: ## bin/dmm.tar, the container image as an OCI archive for amd64 and arm64; needs no daemon
	@for arch in amd64 arm64; do \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build $(BUILDFLAGS) -o bin/linux-$$arch/dmm ./cmd/dmm || exit 1; \
	done
	$(GO) run ./scripts/image -version $(version) -ref $(image) -o bin/dmm.tar \
		linux/amd64=bin/linux-amd64/dmm linux/arm64=bin/linux-arm64/dmm

e2e: ## whole maintenances on the cluster that KUBECONFIG names; E2E_LOAD_IMAGE is the command that brings an image in
	@: $${KUBECONFIG:?must name a cluster to test on} $${E2E_LOAD_IMAGE:?must be a command that takes an OCI archive, such as kind load image-archive}
	@arch=$$($(GO) env GOARCH); \
	CGO_ENABLED=0 GOOS=linux $(GO) build $(BUILDFLAGS) -o bin/linux-$$arch/dmm ./cmd/dmm || exit 1; \
	for tag in e2e newer; do \
		$(GO) run ./scripts/image -version $(version)-$$tag -ref example.test/dmm:$$tag -o bin/$$tag.tar linux/$$arch=bin/linux-$$arch/dmm && \
		$$E2E_LOAD_IMAGE bin/$$tag.tar || exit 1; \
	done
	E2E_IMAGE=example.test/dmm:e2e E2E_NEWER_IMAGE=example.test/dmm:newer E2E_MINIO=$${E2E_MINIO:-$(firstword $(wildcard $(cache)/bin/minio*))} \
		$(GO) test -count=1 -timeout 20m -parallel 4 $(FLAGS) ./test/e2e

clean: ## what the targets above have made here
	rm -rf bin
