# Everything a newcomer needs: `make run` and `make test` do all the set-up themselves.
PORT ?= 8000
PYTHON ?= python3
PYTEST_ARGS ?=
LOAD_ARGS ?=
BIN := .venv/bin
STAMP := .venv/.installed
UV = $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1

.DEFAULT_GOAL := help
.PHONY: help install run test coverage check format openapi safety readme bench load demo clean

help:  ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP)  ## make .venv from uv.lock (bootstraps uv by pip where it is missing)

$(STAMP): uv.lock pyproject.toml
	@command -v uv >/dev/null 2>&1 || [ -x .uv/bin/uv ] || \
		{ echo "installing uv into .uv ..."; $(PYTHON) -m venv .uv && .uv/bin/pip install --quiet "uv>=0.9"; }
	$(UV) sync --locked --compile-bytecode --python $(PYTHON)
	@touch $@

run: install  ## start the service on 127.0.0.1 (PORT=8000)
	$(BIN)/defervesce migrate
	exec $(BIN)/defervesce serve --host 127.0.0.1 --port $(PORT)

demo: install  ## start the service with the study cohort, print Table 1, stay until Ctrl-C (PORT=8000)
	@PORT=$(PORT) exec $(BIN)/python -m app.cohorts.study.demo

test: install  ## run all tests
	$(BIN)/pytest -q $(PYTEST_ARGS)

coverage: install  ## branch coverage of app/clinical by the tests that need no HTTP
	$(BIN)/pytest -q --cov --cov-report=term-missing:skip-covered tests/spec tests/unit tests/properties tests/oracle tests/architecture tests/api/test_rules.py

check: install  ## linters, types, house rules, dependencies, drift of openapi.yaml and docs/safety
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry app
	$(BIN)/defervesce openapi --check openapi.yaml
	$(BIN)/defervesce safety check

format: install  ## format and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

openapi: install  ## write openapi.yaml from the app
	$(BIN)/defervesce openapi --output openapi.yaml

safety: install  ## write the pages of docs/safety from app/safety/data
	$(BIN)/defervesce safety write

readme: install  ## run the README's examples and write their output into it
	$(BIN)/python tests/contract/readme.py

bench: install  ## measure; prints ratios and writes bench/results.md
	$(BIN)/python -m bench

load: install  ## hold mixed traffic at twice the rated load for ten minutes (LOAD_ARGS="--minutes 1 --rate 1")
	$(BIN)/python -m bench.sustained $(LOAD_ARGS)

clean:  ## remove what the targets made
	rm -rf .venv .uv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage
