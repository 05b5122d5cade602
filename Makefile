# Everything sets itself up: python3 (3.11 or newer) and make are all that must be there.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo check test crash bench format clean

demo: $(STAMP)  ## start everything and play signed traffic
	$(BIN)/hookline demo

check: $(STAMP)  ## quick: format, lint, types, imports, unit and contract tests on SQLite
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q -n 2 -m "not slow" tests/unit tests/contract

test: check  ## everything a user needs to trust a checkout
	$(BIN)/pytest -q -m "not slow" tests/flow tests/docs tests/crash
	$(BIN)/pytest -q -m slow tests

bench: $(STAMP)
	$(BIN)/python -m bench

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
