# Everything a person runs by hand. `make` alone says what there is.
PYTHON ?= python3.11
BIN := .venv/bin
STAMP := .venv/.installed

FUZZ_SECONDS ?= 60

.PHONY: help setup demo up test fuzz nightly lint bench coverage-table lock clean

help:
	@echo "make setup    make .venv with the locked packages"
	@echo "make demo     a year of a company's events, end to end (under 4 minutes, set-up included)"
	@echo "make up       the embedded stack until Ctrl-C"
	@echo "make test     unit, contract, integration and three chaos seeds"
	@echo "make nightly  everything else: more chaos seeds, long properties, fuzzing"
	@echo "make fuzz     every format that comes from outside, a minute each (Linux)"
	@echo "make lint     ruff, mypy, import rules, spelling of the lock"
	@echo "make bench    the benchmarks"
	@echo "make coverage-table  docs/policy-coverage.md: clause, rules, tests, planted violations"
	@echo "make lock     renew requirements/*.lock"

setup: $(STAMP)

$(STAMP): pyproject.toml requirements/dev.lock
	$(PYTHON) -c 'import sys; sys.exit("Ansvar needs Python 3.11 or later") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(STAMP)

demo: setup
	$(BIN)/ansvar demo

up: setup
	$(BIN)/ansvar up

# Coverage is taken where it is asked for, the pure rooms; elsewhere it would only slow brokers and workers down.
test: setup
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m "not nightly" --numprocesses 2 --dist loadfile tests/unit
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --include="services/ansvar/events/*,services/ansvar/policy/*,services/ansvar/ledger/*" --fail-under=95
	$(BIN)/python -m pytest -m "not nightly" --numprocesses 2 --dist loadfile --no-loadscope-reorder --ignore=tests/unit

nightly: setup
	$(BIN)/python -m pytest -m nightly
	NO_CYTHON=1 $(BIN)/python -m pytest -m broker tests/integration
	$(MAKE) fuzz

fuzz: setup
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[fuzz]'
	$(BIN)/python tests/fuzz/run.py --seconds $(FUZZ_SECONDS)

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

coverage-table: setup
	$(BIN)/python tests/policy_coverage.py

lock: setup
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-header --quiet --upgrade -o requirements/dev.lock
	$(BIN)/uv pip compile pyproject.toml --extra embedded --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-header --quiet --upgrade -o requirements/embedded.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage dist
