# Two commands matter: `make demo` and `make test`. Both build what they need in .venv, from the lock files.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check bench lock clean
.DELETE_ON_ERROR:

demo: $(VENV)/.run  ## the whole product with a month of call records, at http://127.0.0.1:8000
	@exec $(BIN)/tollbook demo

test: $(VENV)/.dev  ## every test, browser tests included
	@$(BIN)/python -m tests.prepare
	@$(BIN)/python -m pytest

check: $(VENV)/.dev  ## lint, import rules, types, tests
	@$(BIN)/ruff check src tests benchmarks
	@$(BIN)/lint-imports
	@$(BIN)/mypy
	@$(MAKE) --no-print-directory test

lock:  ## resolve pyproject.toml again into the two lock files (needs uv)
	uv pip compile -q --upgrade pyproject.toml --group build --generate-hashes --universal --no-header --no-emit-index-url -o requirements.lock
	uv pip compile -q pyproject.toml --group build --group dev --generate-hashes --universal --no-header --no-emit-index-url -c requirements.lock -o requirements-dev.lock

clean:  ## remove the environment; the data in .tollbook stays
	rm -rf $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tollbook needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Name another one: make demo PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing Tollbook's environment from $< (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@echo "Installing the tools for tests from $< (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
