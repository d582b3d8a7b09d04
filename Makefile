# The entry point for everything. `make demo` and `make test` set up the machine first.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_SPOOL := demo
EXTRAS ?= espeak,web,sign,ray,s3,dev
# For two cores: many tests wait. Each process takes up to 2.5 GB with its daemon.
TEST_PROCESSES ?= 5
PARALLEL_TESTS := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder
MUTATION_PROCESSES ?= 2
# Patterns of names, such as daemon.scheduling.*, to run these again; by default those whose result is unknown.
MUTANTS ?=

.PHONY: help setup system demo test test-slow soak mutation lint format schemas wheel-test test-pythons bench voices install-service uninstall-service uninstall man clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(VENV)/.installed ## prepare: system packages, .venv, the project

system: ## install missing system packages (ffmpeg, venv)
	@scripts/install-system.sh "$(PYTHON)"

$(VENV)/.installed: setup.cfg pyproject.toml requirements.txt scripts/install-system.sh
	@scripts/install-system.sh "$(PYTHON)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.txt --editable '.[$(EXTRAS)]'
	touch $@

demo: setup ## make two videos, one Russian and one English
	@scripts/demo.sh "$(DEMO_SPOOL)"

test: setup ## run the tests, except those of test-slow and soak
	$(PARALLEL_TESTS) --durations 25

test-slow: setup ## run the tests that take many seconds each, as CI does
	$(PARALLEL_TESTS) -m "slow and not soak" --durations 0 --durations-min 1

soak: setup ## run the tests that take minutes
	$(BIN)/python -m pytest -m soak --durations 0 --durations-min 1
	$(BIN)/python -m pytest -m 'hypothesis and not soak' --hypothesis-profile search

mutation: setup ## break the code on purpose, see whether the tests notice (25 min)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.txt --editable '.[mutation]'
	PATH="$(CURDIR)/$(BIN):$$PATH" nice $(BIN)/mutmut run --max-children $(MUTATION_PROCESSES) $(foreach names,$(MUTANTS),'$(names)')
	$(BIN)/python scripts/mutation-score.py

lint: setup ## format check, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schemas: setup ## write the JSON Schemas of jobs and reports, and what the pages say about errors
	$(BIN)/python -m daemon.outputs.schemas docs/schemas
	$(BIN)/python -m daemon.web.pages.problems docs/reference/errors.md

wheel-test: system ## build the wheel, install it in an empty environment, render a job there
	@scripts/test-wheel.sh "$(PYTHON)"

test-pythons: system ## lint and the fast tests on every supported Python of this machine
	@scripts/test-pythons.sh

bench: setup ## measure this machine
	$(BIN)/lipdrop bench

voices: ## install RHVoice's natural voices (Debian non-free; root)
	@scripts/install-voices.sh

man: setup ## write the man page, lipdrop.1
	$(BIN)/lipdrop completion man >lipdrop.1

install-service: ## install and start the systemd unit (root); DESTDIR=... only puts the files there
	@scripts/install-service.sh

uninstall-service: ## remove the service (root); PURGE=yes also its jobs, configuration and users
	@scripts/uninstall-service.sh

uninstall: clean ## remove what `make setup` made; inbox, outbox and system packages stay
	rm -f lipdrop.1

clean: ## remove environments, mutants and the demo's spool
	rm -rf $(VENV) $(VENV)-3.* $(DEMO_SPOOL) mutants *.egg-info
