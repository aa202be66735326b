# Two commands matter: `make demo` and `make test`. Both build what they need in .venv, from the lock files.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint check bench mutants lock clean
.DELETE_ON_ERROR:

demo: $(VENV)/.run  ## the whole product with a month of call records, at http://127.0.0.1:8000
	@exec $(BIN)/tollbook demo

test: $(VENV)/.dev  ## every test, browser tests included
	@$(BIN)/python -m tests.prepare
	@$(BIN)/python -m pytest

lint: $(VENV)/.dev  ## lint and import rules
	@$(BIN)/ruff check src tests benchmarks
	@$(BIN)/lint-imports

check: lint  ## lint, import rules, types, tests
	@$(BIN)/mypy
	@$(MAKE) --no-print-directory test

bench: $(VENV)/.dev  ## every benchmark, one after another, each with its floor; then a table of aims
	@$(BIN)/python -m benchmarks $(BENCH)

mutants: $(VENV)/.dev  ## break each safety line of refills, payments and ingestion on purpose, and see the tests notice
	@$(BIN)/python -m tests.mutations

lock:  ## resolve pyproject.toml again into the two lock files (needs uv)
	uv pip compile -q --upgrade pyproject.toml --group build --generate-hashes --universal --no-header --no-emit-index-url -o requirements.lock
	uv pip compile -q pyproject.toml --group build --group dev --generate-hashes --universal --no-header --no-emit-index-url -c requirements.lock -o requirements-dev.lock

clean:  ## remove the environment; the data in .tollbook stays
	rm -rf $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml
	@command -v $(PYTHON) > /dev/null || { echo "Tollbook needs Python 3.11 or later; there is no $(PYTHON) here. Name another one: make demo PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tollbook needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Name another one: make demo PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { echo "$(PYTHON) can't make environments: its modules venv and ensurepip are missing. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing Tollbook's environment from $< (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@echo "Installing the tools for tests from $< (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
