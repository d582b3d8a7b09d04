# One entry for everything. `make demo` and `make test` prepare the machine themselves.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_SPOOL := demo
EXTRAS ?= espeak,dev

.PHONY: help setup system demo test soak lint format schemas bench voices install-service clean

help: ## show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(VENV)/.installed ## prepare: system packages, .venv, the project

system: ## install the system packages that are missing (ffmpeg, venv)
	@scripts/install-system.sh "$(PYTHON)"

$(VENV)/.installed: setup.cfg pyproject.toml requirements.txt scripts/install-system.sh
	@scripts/install-system.sh "$(PYTHON)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.txt --editable '.[$(EXTRAS)]'
	touch $@

demo: setup ## make two videos, one Russian and one English
	@scripts/demo.sh "$(DEMO_SPOOL)"

test: setup ## the test suite but for soak; two files at a time, since many tests wait
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

soak: setup ## the tests that take minutes
	$(BIN)/python -m pytest -m soak

lint: setup ## format check, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schemas: setup ## write the JSON Schemas of jobs and reports
	$(BIN)/python -m daemon.outputs.schemas docs/schemas

bench: setup ## measure this machine
	$(BIN)/lipdrop bench

voices: ## install RHVoice's natural voices (Debian non-free; root)
	@scripts/install-voices.sh

install-service: ## install and start the systemd unit (root)
	@scripts/install-service.sh

clean: ## remove what `make setup` and `make demo` made
	rm -rf $(VENV) $(DEMO_SPOOL) *.egg-info
