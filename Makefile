# Every command of daily work. `make help` lists them.
#
# Each step leaves a stamp, so that a second run takes seconds: the environment
# is renewed when the lock file changes, the native module when a crate does.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CARGO ?= cargo
# One profile (dev) for `cargo test` and the Python tests: dependencies are
# built once. What a user runs, the wheel and `make run`, is `release` (fat LTO).
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
export CARGO_TERM_PROGRESS_WHEN ?= never

RUST_SOURCES := Cargo.toml Cargo.lock rust-toolchain.toml $(shell find crates -name '*.rs' -o -name Cargo.toml)
ENV_STAMP := $(VENV)/.stamp-env
DEV_STAMP := $(VENV)/.stamp-native-dev
RELEASE_STAMP := $(VENV)/.stamp-native-release
# A third works while two wait: most tests start processes, and wait for them.
PYTEST := $(BIN)/python -m pytest -n 3
# With every feature that the native module for tests has, so that no crate is built twice.
WORKSPACE := --workspace --features lockgate-py/tests --locked --quiet
# The Core Rule Set and its cases, for tests in Rust: fetched once, and held by their checksum.
WITH_CORE_RULES = crs=$$(PYTHONPATH=tests $(BIN)/python -m conformance.crs.stages) && LOCKGATE_CRS="$$crs"

.DEFAULT_GOAL := help

##@ Using it

.PHONY: run
run: $(RELEASE_STAMP) ## Install everything and start the demonstration (the gate, a sample shop, the admin API).
	$(BIN)/lockgate demo $(ARGS)

.PHONY: wheel
wheel: $(ENV_STAMP) ## Build the wheel (abi3, release profile) into dist/.
	scripts/wheel.sh $(VENV) dist

##@ Everyday

.PHONY: help
help: ## List these commands.
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' Makefile

.PHONY: venv
venv: $(ENV_STAMP) ## Make .venv with the pinned Python packages.

.PHONY: build
build: $(DEV_STAMP) ## Build the native module for tests and install the package in .venv, editable.

.PHONY: test
test: build system-packages ## Run the checks and every test but the slow ones.
	$(MAKE) --no-print-directory check
	$(MAKE) --no-print-directory test-rust
	$(PYTEST) -m "not slow" $(ARGS)

.PHONY: test-quick
test-quick: build ## Run the everyday part: at most five minutes once built.
	$(MAKE) --no-print-directory test-rust
	$(PYTEST) -m "not slow and not full" $(ARGS)

.PHONY: test-slow
test-slow: build system-packages ## Run soaks, long fuzzing, slow servers and slow clients.
	$(WITH_CORE_RULES) PROPTEST_CASES=20000 $(CARGO) test $(WORKSPACE) -- --include-ignored
	BOLERO_RANDOM_TEST_TIME_MS=60000 $(MAKE) --no-print-directory test-fuzz
	LOCKGATE_FUZZ_CASES=200000 $(BIN)/python -m pytest -m slow --timeout 1800 $(ARGS)

.PHONY: test-rust
test-rust: $(ENV_STAMP) ## Run the Rust tests and fuzz targets (LOCKGATE_CRS= leaves out those of the Core Rule Set).
	$(WITH_CORE_RULES) $(CARGO) test $(WORKSPACE)

.PHONY: test-fuzz
test-fuzz: ## Run each fuzz target for a moment (BOLERO_RANDOM_TEST_TIME_MS for longer).
	$(CARGO) test $(WORKSPACE) --test targets

.PHONY: format
format: $(ENV_STAMP) ## Format Python and Rust.
	$(BIN)/ruff check --fix-only --quiet . || true
	$(BIN)/ruff format .
	$(CARGO) fmt --all

.PHONY: check
check: build ## Lint, types, formatting, dependency rules, stubs: everything that needs no test.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked --quiet -- -D warnings
	scripts/cargo-deny.sh
	scripts/stubtest.sh

.PHONY: docs
docs: build ## Write the generated pages (docs/reference, the bundle's types, the schemas).
	$(BIN)/python tools/generate.py

.PHONY: site
site: build ## Make a web site of the documentation in target/site/html.
	$(BIN)/python tools/website.py

##@ Measuring

.PHONY: bench
bench: system-packages $(ENV_STAMP) ## Run the benchmark against nginx, HAProxy, Envoy, Caddy and Traefik.
	$(BIN)/python -m bench $(ARGS)

.PHONY: bench-quick
bench-quick: system-packages $(ENV_STAMP) ## The same in under two minutes: lockgate and nginx, few rounds.
	$(BIN)/python -m bench --quick $(ARGS)

.PHONY: attacks
attacks: build system-packages ## Attack a gate in every known way, with each limit and without it, and print what a bystander noticed.
	PYTHONPATH=tests $(BIN)/python -m attacks.table $(ARGS)

##@ Keeping it

.PHONY: lock
lock: ## Pin the Python packages anew after a change in pyproject.toml (UPGRADE=1 for newer ones).
	scripts/lock.sh

.PHONY: changelog
changelog: $(ENV_STAMP) ## Collect changes/ into CHANGELOG.md for VERSION=x.y.z.
	$(BIN)/towncrier build --yes --version $(VERSION)

.PHONY: system-packages
system-packages: ## Install what only tests and benchmarks want (nginx, haproxy, wrk), where that is allowed.
	scripts/system-packages.sh

.PHONY: clean
clean: ## Remove the environment and everything built.
	rm -rf $(VENV) target dist python/lockgate/_native*.so

$(ENV_STAMP): requirements/dev.lock scripts/venv.sh
	PYTHON=$(PYTHON) scripts/venv.sh $(VENV)
	@touch $@

# Both put their module in the same place, so each takes the other's stamp away.
$(DEV_STAMP): $(ENV_STAMP) pyproject.toml $(RUST_SOURCES)
	@rm -f $(RELEASE_STAMP)
	scripts/build.sh $(VENV) dev
	@touch $@

$(RELEASE_STAMP): $(ENV_STAMP) pyproject.toml $(RUST_SOURCES)
	@rm -f $(DEV_STAMP)
	scripts/build.sh $(VENV) release
	@touch $@
