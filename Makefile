# Everything runs in .venv of this checkout, which the first target that needs it makes.
# `make` alone lists the targets.

TASK ?= Mnist_B
ARGS ?=
INPUT ?=
BIN := .venv/bin
STAMP := .venv/installed
FAST := not slow and not docker and not postgres and not browser
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --quiet \
	--custom-compile-command "make lock" pyproject.toml $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help install train infer ui test test-all screenshots check bench lock clean

# The stamp holds the folder it was made in: a moved or copied checkout gets its own environment.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  ARGS="key=value ..." passes overrides (train) or arguments; TASK=Mnist_A picks a task'

install: $(STAMP)  ## make .venv with the locked packages and shackdoo itself (editable)

train: $(STAMP)  ## train TASK (Mnist_B): make train TASK=Mnist_A ARGS="task.parameters.epochs=2"
	$(BIN)/shackdoo train task=$(TASK) $(ARGS)

infer: $(STAMP)  ## answer about INPUT: make infer INPUT=scans/ ARGS="output=answers.csv run=best"
	$(BIN)/shackdoo infer task=$(TASK) $(if $(INPUT),"input=$(INPUT)") $(ARGS)

ui: $(STAMP)  ## show the runs in the browser (MLflow on 127.0.0.1:5000)
	$(BIN)/shackdoo ui $(ARGS)

test: $(STAMP)  ## run the tests that need a few minutes and nothing installed
	$(BIN)/python -m pytest -m "$(FAST)" $(ARGS)

test-all: $(STAMP)  ## run all tests with their full counts, also those that are slow or need a server
	$(BIN)/python -m pytest --full $(ARGS)

screenshots: $(STAMP)  ## take the pictures of the browser in docs/screenshots anew (wants Chromium)
	$(BIN)/python -m pytest tests/browser --screenshots docs/screenshots $(ARGS)

check: $(STAMP)  ## check format, lint, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)  ## measure what the README claims, against peers (long; wants a quiet machine)
	$(BIN)/python benchmarks/messages.py
	$(BIN)/python benchmarks/train_until_prompt.py
	$(BIN)/python benchmarks/tracking_cost.py
	$(BIN)/python benchmarks/tracking_points.py
	$(BIN)/python benchmarks/outage_stall.py
	$(BIN)/python benchmarks/accuracy.py
	$(BIN)/python benchmarks/inference.py
	$(BIN)/python benchmarks/keras_convnet.py
	$(BIN)/python benchmarks/predecessor.py

lock: | $(BIN)/uv  ## remake the lock files from pyproject.toml (ARGS=--upgrade for newest versions)
	$(COMPILE) -o requirements.lock
	$(COMPILE) -c requirements.lock --extra dev -o requirements-dev.lock
	$(COMPILE) -c requirements.lock --extra gpu -o requirements-gpu.lock
	echo hatchling | $(COMPILE:pyproject.toml=-) -c requirements-dev.lock -o requirements-build.lock

clean:  ## remove caches and build results; keeps .venv, data and runs
	rm -rf build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

$(BIN)/uv:
	$(MAKE) install

$(STAMP): pyproject.toml requirements-dev.lock scripts/make_venv.sh
	@PYTHON="$(PYTHON)" sh scripts/make_venv.sh $(STAMP)
