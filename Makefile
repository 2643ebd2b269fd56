# Everything below works from a fresh clone: each word first makes the environment it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
.DEFAULT_GOAL := help
.PHONY: help setup demo up test test-replay lint lock generate clean

help:  ## list these words
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(READY): requirements.txt pyproject.toml
	@echo "Setting up the environment in $(VENV) (once, about a minute)"
	@"$(PYTHON)" -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(READY)  ## only the environment: .venv with the locked packages

demo: $(READY)  ## the whole pipeline on a simulated market, no account and no internet needed
	@$(BIN)/cryptoviz up --demo

up: $(READY)  ## the whole pipeline on the live sources
	@$(BIN)/cryptoviz up

test: $(READY) lint  ## lint, types, unit and integration tests (the latter on the embedded stack)
	@$(BIN)/pytest -m "not slow"

test-replay: $(READY)  ## the long replays: a month of candles
	@$(BIN)/pytest -m slow

lint: $(READY)  ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

lock:  ## resolve pyproject.toml into requirements.txt again (needs uv)
	uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --quiet --output-file requirements.txt $(UPGRADE)
	uv pip compile pyproject.toml --extra producers --extra processors --group build --universal --python-version 3.11 --generate-hashes \
		--constraint requirements.txt --no-emit-index-url --no-emit-find-links --no-header --quiet \
		--output-file requirements-image.txt

generate: $(READY)  ## write .env.example and the JSON Schemas in docs/ again from the code
	@$(BIN)/python -m cryptoviz.generate

clean:  ## remove the environment and the embedded stack's data
	rm -rf $(VENV) .cryptoviz
