# `make help` lists what there is. Everything works on a fresh machine with Python 3.11 or newer and make: what else is
# needed is installed into .venv/ and .tools/, pinned by version and hash.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

export PATH := $(CURDIR)/.tools/bin:$(CURDIR)/.venv/bin:$(CURDIR)/tools/node_modules/.bin:$(PATH)
export GOTOOLCHAIN := local
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export WALLET_BIN := $(CURDIR)/.venv/bin/wallet

# The first interpreter that is new enough; asked for only when .venv has to be made.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PYTEST_ARGS ?=

.PHONY: help venv run test demo demo-year bench overload simulate simulate-long torture gen lint check lock
.PHONY: test-python test-python-wheel test-go test-ts gen-check breaking fuzz audit-deps sbom

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | while IFS=$$'\t' read -r name what; \
	  do printf '  %-18s %s\n' "$$name" "$$what"; done

venv: .venv/.package ## Make .venv and install the pinned requirements
	@:
run: .venv/.package ## Start the service for development, with database, worker and provider simulators
	@exec .venv/bin/wallet dev
demo: .venv/.package ## Fund a wallet, import usage, show that the ledger agrees
	@exec .venv/bin/python -m examples.demo
demo-year: .venv/.package ## Play a year of twenty organizations on a test clock, audited month by month
	@exec .venv/bin/python -m examples.demo_year
bench: .venv/.package ## Measure, beside the yardsticks; JSON lines
	@PYTHONPATH=gen/python/client exec .venv/bin/python -m bench
overload: .venv/.package ## Measure what a process answers at four times what it can do; JSON lines
	@PYTHONPATH=gen/python/client exec .venv/bin/python -m bench.overload

SEED ?= 1
STEPS ?= 1000
WORKERS ?= 1
ONLY ?=
simulate: .venv/.package ## Drive the service through faults: SEED=, STEPS=, WORKERS=; ONLY= replays some steps of a seed
	@PYTHONHASHSEED=0 PYTHONPATH=.:gen/python/server exec .venv/bin/python -m tests.simulation \
	  --seed $(SEED) --steps $(STEPS) --workers $(WORKERS) --only "$(ONLY)"
OPERATIONS ?= 1000000
FOLDER ?= build/simulation
simulate-long: .venv/.package ## Seed after seed until OPERATIONS= calls are made, from SEED= with WORKERS=; resumes what FOLDER= holds
	@PYTHONHASHSEED=0 PYTHONPATH=.:gen/python/server exec .venv/bin/python -m tests.simulation.long \
	  --operations $(OPERATIONS) --seed $(SEED) --workers $(WORKERS) --folder "$(FOLDER)"
KILLS ?= 200
BROKEN ?=
torture: .venv/.package ## Kill service, worker and database under load KILLS= times, with SEED=; BROKEN= breaks it first
	@PYTHONPATH=.:gen/python/server:gen/python/client exec .venv/bin/python -m tests.torture --kills $(KILLS) \
	  --seed $(SEED) --broken "$(BROKEN)"

test: .venv/.package .tools/.go .tools/.npm ## Everything: lint, generated code, and the tests of all clients
	@failed=; for step in lint breaking gen-check test-python test-python-wheel test-go test-ts; do \
	  printf '\n==== %s\n' "$$step"; $(MAKE) --no-print-directory "$$step" || failed="$$failed $$step"; \
	done; \
	if [ -n "$$failed" ]; then printf '\nfailed:%s\n' "$$failed"; exit 1; fi; printf '\nall steps passed\n'
check: test ## The same as test: what a change has to pass

test-python: .venv/.package ## Python tests, on the machine's PostgreSQL if it has one
	WALLET_TEST_POSTGRES=machine pytest $(PYTEST_ARGS) -n auto
NEXT_TO_DATABASE := tests/rpc/test_row_security.py tests/system/test_dev.py tests/operations/embedded_postgres \
  $(addprefix tests/operations/test_,journal.py usage_months.py usage_queries.py usage_recording.py watching.py jobs.py)
test-python-wheel: .venv/.package ## Python tests of what is next to the database, on the PostgreSQL of the wheel
	WALLET_TEST_POSTGRES=wheel pytest $(PYTEST_ARGS) -n auto tests/ledger tests/migration $(NEXT_TO_DATABASE)
test-go: .venv/.package .tools/.go ## Go clients against a running service
	cd gen/go && go vet ./...
	cd tests/clients/go && go vet ./...
	python -m tests.clients.serve -- go test -C tests/clients/go -count=1 -v ./... | grep -vE '^=== |^ +--- PASS'
test-ts: .venv/.package .tools/.npm ## TypeScript client against a running service
	cd tests/clients/ts && npm ci --no-progress && npm test

REQUESTS ?= 100000
fuzz: .venv/.package ## Fuzz a running service with REQUESTS requests; figures at the end
	FUZZ_REQUESTS=$(REQUESTS) pytest tests/fuzz -q $(PYTEST_ARGS)
audit-deps: .tools/.audit ## Ask for known vulnerabilities of what is pinned; needs the network
	@scripts/audit-deps
sbom: .venv/.package .tools/.audit ## Write build/sbom.cdx.json: what is installed, with versions and licences (CycloneDX)
	@mkdir -p build
	@.tools/audit/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
	  -o build/sbom.cdx.json .venv/bin/python
	@echo "wrote build/sbom.cdx.json"

lint: .venv/.package .tools/.npm ## Style, types, import contracts, protos
	ruff check .
	ruff format --check .
	pyright --pythonpath .venv/bin/python
	lint-imports --no-logo
	buf lint
	buf format --diff --exit-code --path proto/wallet --path proto/billing
breaking: .venv/.package ## Refuse a contract that breaks its clients
	@scripts/breaking
gen: .venv/.package .tools/.go .tools/.npm ## Generate gen/ from proto/, offline
	scripts/gen
gen-check: .venv/.package .tools/.go .tools/.npm ## Refuse a gen/ that differs from proto/
	@scripts/gen --check

lock: .venv/.package ## Pin the requirements of pyproject.toml anew
	uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --extra dev \
	  pyproject.toml -o requirements.txt
	uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
	  tools/requirements-audit.in -o tools/requirements-audit.txt

# What is installed, each behind a stamp, so that doing it again costs nothing.
.venv/.requirements: requirements.txt requirements-stripe-spec.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON to it" >&2; exit 1; }
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -q --require-hashes -r requirements.txt
	.venv/bin/python -m pip install -q --require-hashes --no-deps -r requirements-stripe-spec.txt
	@touch $@
.venv/.package: .venv/.requirements pyproject.toml
	.venv/bin/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@
.tools/.audit: tools/requirements-audit.txt .venv/.requirements
	test -x .tools/audit/bin/python || .venv/bin/python -m venv .tools/audit
	.tools/audit/bin/python -m pip install -q --require-hashes -r tools/requirements-audit.txt
	@touch $@
.tools/.go: .venv/.requirements tools/go.mod tools/go.sum scripts/toolchain
	scripts/toolchain go
	cd tools && GOBIN=$(CURDIR)/.tools/bin go install tool
	@touch $@
.tools/.npm: .venv/.requirements tools/package.json tools/package-lock.json scripts/toolchain
	scripts/toolchain node
	npm ci --prefix tools --no-progress
	@touch $@
