# Every target works from an empty clone: it first makes .venv from pyproject.toml and constraints.txt.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
SHELL := bash

# `acp` and `cep` of this checkout come first, for every command a target runs.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# OpenMP threads that spin while they wait take the core from the thread they wait for.
export GOMP_SPINCOUNT := 0
export OMP_WAIT_POLICY := PASSIVE
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-slow verify-verifier lint schemas bench docs constraints clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## Run a real model end to end: probe, sign, compile, verify, run, receipt, report
	$(BIN)/python examples/sentence_search/demo.py

test: $(INSTALLED) ## Run the tests (without slow, hardware, benchmark and gpu)
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: $(INSTALLED) ## Run the slow tests
	$(BIN)/python -m pytest -n 2 --dist loadfile -m slow

verify-verifier: $(INSTALLED) ## Judge all plans of larger scopes with the verifier and by every interleaving
	$(BIN)/python -m pytest -n 2 -m "slow or not slow" tests/cep/machine tests/cep/verify

lint: $(INSTALLED) ## Check style, types, layers, schemas, generated files and rule coverage
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint schemas/proto
	@released=$$(ls schemas/released/*.binpb 2>/dev/null | sort -V | tail -n 1); \
	if [ -n "$$released" ]; then \
		echo "buf breaking, against $$released"; \
		$(BIN)/buf breaking schemas/proto --against "$$released"; \
	else \
		echo "buf breaking: skipped, schemas/released/ holds no release yet"; \
	fi
	$(BIN)/python -m schemas.generate --check
	$(BIN)/python -m schemas.devices --check
	$(BIN)/python -m conformance.matrix

schemas: $(INSTALLED) ## Generate models, JSON Schema, tables of the spec, reference descriptors
	$(BIN)/python -m schemas.generate
	$(BIN)/python -m schemas.devices

bench: $(INSTALLED) ## Measure on this machine
	$(BIN)/python -m benchmarks

docs: $(INSTALLED) ## Regenerate the tables of measured numbers in the docs
	$(BIN)/python -m benchmarks.tables

constraints: $(INSTALLED) ## Write what is installed now to constraints.txt
	@{ echo "# The versions that are tested together. Written by \`make constraints\`."; \
	$(BIN)/pip freeze --exclude-editable | sed 's/+cpu$$//'; } > constraints.tmp
	mv constraints.tmp constraints.txt

clean: ## Remove caches and outputs (keeps .venv)
	rm -rf build dist out .work .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

# One command, so that pip resolves everything together; the stamp is newer than both files
# until one of them changes.
$(INSTALLED): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is missing or older than 3.11: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[demo,dev]'
	$(BIN)/python -m pip check
	touch $@
