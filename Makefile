# Everything a newcomer needs: `make run` and `make test` do all the set-up themselves.
PORT ?= 8000
PYTHON ?= python3
# PYTEST_ARGS="-n 2 --dist loadfile" runs files side by side; a browser in the same worker disturbs some tests there.
PYTEST_ARGS ?=
LOAD_ARGS ?=
# Of `make fuzz`: inputs in all, most seconds of one parser (0: no limit), where chance starts, steps of the API's walk.
INPUTS ?= 1000000
FUZZ_SECONDS ?= 0
SEED ?= 1
STEPS ?= 300
BIN := .venv/bin
STAMP := .venv/.installed
UV = $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1

.DEFAULT_GOAL := help
.PHONY: help install run test coverage check format openapi safety readme bench load demo fuzz audit sbom clean

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

fuzz: install  ## fuzz every parser by coverage, and walk the API (INPUTS=1000000 FUZZ_SECONDS=0 SEED=1 STEPS=300)
	$(UV) sync --locked --inexact --group fuzz --python $(PYTHON)
	$(BIN)/python -m tests.fuzz --inputs $(INPUTS) --seconds $(FUZZ_SECONDS) --seed $(SEED)
	DEFERVESCE_TEST_EXAMPLES=$(STEPS) DEFERVESCE_TEST_SEED=$(SEED) $(BIN)/pytest -q tests/contract/test_stateful.py tests/contract/test_schemathesis.py

audit: install  ## look up every dependency of the service, by name, version and hash, in the advisories for Python
	@mkdir -p .supply
	$(UV) export --quiet --locked --no-dev --no-emit-project --format requirements.txt --output-file .supply/requirements.txt
	$(UV) tool run --from "pip-audit==2.10.1" pip-audit --strict --disable-pip --require-hashes --requirement .supply/requirements.txt \
		|| { echo "make audit: NOT CLEAN, or the advisory service was not reached: see above" >&2; exit 1; }

sbom: install  ## write the software bill of materials (CycloneDX 1.5, from uv.lock, with hashes) to .supply/sbom.json
	@mkdir -p .supply
	$(UV) export --quiet --locked --no-dev --format cyclonedx1.5 --output-file .supply/sbom.json
	$(BIN)/python -m tests.supply .supply/sbom.json

bench: install  ## measure; prints ratios and writes bench/results.md
	$(BIN)/python -m bench

load: install  ## hold mixed traffic at twice the rated load for ten minutes (LOAD_ARGS="--minutes 1 --rate 1")
	$(BIN)/python -m bench.sustained $(LOAD_ARGS)

clean:  ## remove what the targets made
	rm -rf .venv .uv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .fuzz .supply
