# `make demo` and `make test` work on a fresh clone: each sets up .venv first, once.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PY ?= $(BIN)/python
ARGS ?=
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-video test test-all test-gpu test-faults fuzz test-long check format clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## install chords and its tools into .venv, in the verified versions

$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit("error: chords needs Python 3.11 or newer, this is " \
	    + sys.version.split()[0] + "\nhint: make PYTHON=python3.11 ..." if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV); the first time takes minutes."
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(READY)  ## make a picture with four cores of the built-in model
	$(BIN)/chords image "a large red heart on a white background" --cores 4 $(ARGS)

demo-video: $(READY)  ## make a clip with four cores of the built-in model
	$(BIN)/chords video "a red circle moving right on a blue background" --cores 4 $(ARGS)

# Two processes share the files, in the order of folders: short files come last and even them out.
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

test: $(READY)  ## run the tests of every day, in about five minutes; ARGS="-k name" for some
	$(PYTEST) -m "not slow and not broad" $(ARGS)

test-all: $(READY)  ## run all tests: real faults, hosts, browsers, every family in every type
	$(PYTEST) $(ARGS)

# PY=python3 runs it with a python that has chords' packages already, and makes no .venv.
test-gpu: $(if $(filter $(BIN)/python,$(PY)),$(READY))  ## run the tests for CUDA devices; elsewhere they say why not
	$(PY) -m pytest tests/gpu $(ARGS)

# With ARGS it runs some of them, and leaves docs/reliability.md as it is.
test-faults: $(READY)  ## break runs in every way and phase, for 20 minutes; writes docs/reliability.md
	@mkdir -p build && rm -f build/faults.jsonl
	FAULTS_LOG=build/faults.jsonl $(BIN)/python -m pytest -n $(JOBS) tests/faults --all-faults $(ARGS); \
	    failed=$$?; $(if $(ARGS),,$(BIN)/python -m tests.faults.report build/faults.jsonl build/long.jsonl;) exit $$failed

test-long: $(READY)  ## send 300 prompts and 30 clips through one pool each, and watch what it keeps
	@mkdir -p build && rm -f build/long.jsonl
	FAULTS_LOG=build/long.jsonl $(BIN)/python -m pytest tests/faults/test_long.py --long $(ARGS)

fuzz: $(READY)  ## try other bad input than `make test` does, at every border; takes 10 minutes
	$(BIN)/python -m pytest -n $(JOBS) tests/fuzz --hypothesis-profile fuzz $(ARGS)

check: $(READY)  ## lint, formatting, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)  ## fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove .venv and caches, never outputs
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
