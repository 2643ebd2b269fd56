# Everything below works from a fresh clone: each word first makes the environment it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
FORECAST_READY := $(VENV)/.ready-forecast
BENCH_READY := .venv-bench/.ready
.DEFAULT_GOAL := help
.PHONY: help setup setup-forecast demo up test test-replay test-faults test-forecast fuzz bench bench-panels soak lint audit lock generate clean

help:  ## list these words
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(READY): requirements.txt pyproject.toml
	@echo "Setting up the environment in $(VENV) (once, about a minute)"
	@"$(PYTHON)" -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(READY)  ## only the environment: .venv with the locked packages

$(FORECAST_READY): $(READY) requirements-forecast.txt
	@echo "Adding the libraries of the batch models to $(VENV) (once, about half a minute)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-forecast.txt
	@touch $@

setup-forecast: $(FORECAST_READY)  ## also the batch models: AutoARIMA, AutoETS, Prophet

demo: $(READY)  ## the whole pipeline on a simulated market, no account and no internet needed
	@$(BIN)/cryptoviz up --demo

up: $(READY)  ## the whole pipeline on the live sources
	@$(BIN)/cryptoviz up

test: $(READY) lint  ## lint, types, unit and integration tests (the latter on the embedded stack)
	@$(BIN)/pytest -m "not slow and not faults"

test-replay: $(READY)  ## the long replays: a month of candles
	@$(BIN)/pytest -m slow

test-faults: $(READY)  ## half an hour of kills and outages: nothing lost, nothing doubled (FAULT_SEED=n repeats one)
	@$(BIN)/pytest -m faults -s

test-forecast: $(FORECAST_READY)  ## the batch models with their real libraries
	@$(BIN)/pytest tests/unit/processors/batch tests/integration/test_batch_models.py

fuzz: $(READY)  ## mutated messages and answers at every reader, FUZZ_SECONDS each (1200; ARGS="--target raw --seed 7")
	@PYTHONPATH=tests $(BIN)/python -W ignore -m fuzz $(ARGS)

$(BENCH_READY): requirements-bench.txt
	@echo "Setting up the engines to compare with in .venv-bench (once, about half a minute)"
	@"$(PYTHON)" -m venv .venv-bench
	@.venv-bench/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.txt
	@touch $@

bench: $(READY) $(BENCH_READY)  ## how fast: beside other engines, whole, delays, demo (ARGS="--section delay --rounds 1")
	@PYTHONPATH=tests $(BIN)/python -m bench $(ARGS)

bench-panels: $(READY)  ## how fast the dashboards answer, over 20 million quotes (ARGS=--demo: of a running stack)
	@PYTHONPATH=tests $(BIN)/python -m bench.panels $(ARGS)

soak: $(READY)  ## an hour at 5,000 quotes/s: does memory or lag grow (SOAK_MINUTES=5 SOAK_RATE=1000)
	@PYTHONPATH=tests $(BIN)/python -m bench.soak $(ARGS)

lint: $(READY)  ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

audit:  ## whether a locked package has a known weakness (asks pypi.org, with pip-audit in an environment of its own)
	@test -x .venv-audit/bin/pip-audit || { "$(PYTHON)" -m venv .venv-audit && \
		.venv-audit/bin/pip install --quiet --disable-pip-version-check pip-audit==2.9.0; }
	@.venv-audit/bin/python -c "import sys, urllib.request as u; u.urlopen('https://pypi.org/pypi/requests/2.32.0/json', timeout=15)" \
		2>/dev/null || { echo "make audit: nothing was checked: https://pypi.org, which holds the advisories, cannot be reached from here" >&2; exit 2; }
	@for locked in requirements.txt requirements-image.txt requirements-forecast.txt; do echo "$$locked"; \
		.venv-audit/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off -r $$locked || exit 1; done

lock:  ## resolve pyproject.toml into requirements.txt again (needs uv)
	uv pip compile pyproject.toml --extra all --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --quiet --output-file requirements.txt $(UPGRADE)
	uv pip compile pyproject.toml --extra producers --extra processors --group build --universal --python-version 3.11 --generate-hashes \
		--constraint requirements.txt --no-emit-index-url --no-emit-find-links --no-header --quiet \
		--output-file requirements-image.txt
	@# The batch models' libraries: the versions of the whole lock, but for pandas, of which they want an older one.
	sed -n 's/ *\\$$//; /^[a-z].*==/{/^pandas==/d;p}' requirements.txt > .constraints.txt
	uv pip compile pyproject.toml --extra processors --extra forecast --group build --universal --python-version 3.11 --generate-hashes \
		--constraint .constraints.txt --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet \
		--output-file requirements-forecast.txt $(UPGRADE)
	rm .constraints.txt
	uv pip compile --group bench --python-version 3.11 --universal --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet --output-file requirements-bench.txt $(UPGRADE)

generate: $(READY)  ## write .env.example, the JSON Schemas and the dashboards again from the code
	@$(BIN)/python -m cryptoviz.generate

clean:  ## remove the environment and the embedded stack's data
	rm -rf $(VENV) .venv-audit .venv-bench .cryptoviz
