# `make` alone lists the targets. CI calls the same names.
.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
PYTHON ?=
# The first start of a process writes its bytecode, so that every later one is faster.
unexport PYTHONDONTWRITEBYTECODE
export PYTHON

SETUP := infra/deploy/setup.sh
LINKED := pyproject.toml $(SETUP) requirements/tools.txt

help:  ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.runtime: $(LINKED) requirements/runtime.txt
	@sh $(SETUP) runtime && touch $@
.venv/.dev: .venv/.runtime requirements/dev.txt
	@sh $(SETUP) dev && touch $@
.venv/.train: .venv/.dev requirements/learn.txt requirements/train.txt
	@sh $(SETUP) learn train && touch $@

setup: .venv/.dev  ## everything to work on the project: .venv with the runtime and the developer's tools
setup-full: .venv/.train  ## the same, scikit-learn, Prophet and torch, for training every model (5 GB more)

demo: .venv/.runtime  ## start all servers, stream real deliveries, show what happened, verify by replay, stop
	@$(BIN)/affluent demo $(ARGS)
up: .venv/.runtime  ## start the servers and leave them running
	@$(BIN)/affluent up
down: .venv/.runtime  ## stop them
	@$(BIN)/affluent down

test: .venv/.dev  ## all tests, on real servers; ARGS="tests/unit -q" chooses
	@$(BIN)/python -m pytest $(ARGS)
check: style types arrows fresh  ## style, types, arrows between folders, generated files fresh
style: .venv/.dev
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet .
types: .venv/.dev
	@$(BIN)/mypy
arrows: .venv/.dev
	@$(BIN)/lint-imports --no-logo
fresh: .venv/.dev
	@$(BIN)/affluent schemas check && $(BIN)/affluent topics map --check
format: .venv/.dev  ## put the code into shape
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .
lock: .venv/.runtime  ## rebuild the locks in requirements/; UPGRADE=1 takes the newest versions
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh requirements/lock.sh

bench: .venv/.dev  ## measure and write docs/benchmarks.md; ARGS="columns" chooses
	@$(BIN)/python -m tests.benchmarks $(ARGS)
soak: .venv/.dev  ## ten million events: is memory flat? then every fault of the ledger, many times: is anything lost?
	@$(BIN)/python -m tests.benchmarks soak $(ARGS)
	@LEDGER_LONG=1 $(BIN)/python -m pytest tests/ledger -q
faults: .venv/.dev  ## kill workers, sinks and servers under load; is every event there exactly once?
	@LEDGER_LONG=1 $(BIN)/python -m pytest tests/integration tests/e2e tests/ledger \
		-k "ledger or kill or crash or dies or zombie or away or disk or bad_input" $(ARGS)

clean:  ## remove what the other targets made here (.venv, caches)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info .coverage*
	@find . -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help setup setup-full demo up down test check style types arrows fresh format lock bench soak faults clean
