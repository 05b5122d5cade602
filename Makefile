# Everything sets itself up: python3 (3.11 or newer) and make are all that must be there.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
TOOLS  := $(VENV)/.tools
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# GitHub's own package in Node judges our check of GitHub, where there is npm.
ORACLE := npm install --silent --no-audit --no-fund --prefix $(VENV)/node @octokit/webhooks-methods@6

.PHONY: demo check test bench format clean

demo: $(READY)  ## start everything and play signed traffic
	$(BIN)/hookline demo

check: $(TOOLS)  ## quick: format, lint, types, imports, unit and contract tests on SQLite
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q -n 2 -m "not slow" tests/unit tests/contract

test: check  ## everything a user needs to trust a checkout
	$(BIN)/pytest -q -m "not slow" tests/flow tests/docs tests/crash
	$(BIN)/pytest -q -m slow tests

bench: $(TOOLS)
	$(BIN)/python -m bench

format: $(TOOLS)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(PIP) --editable .
	touch $@

$(TOOLS): $(READY)
	$(PIP) --editable . --group dev
	if command -v npm >/dev/null; then $(ORACLE) || true; fi
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
