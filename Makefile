# Everything runs in .venv of this checkout, which the first target that needs it makes.
# `make` alone lists the targets.

TASK ?= Mnist_B
ARGS ?=
INPUT ?=
# Scripts take them from here as they were written; words on a command line would lose their quotes.
export TASK ARGS INPUT
BIN := .venv/bin
STAMP := .venv/installed
SERVED := $(BIN)/python scripts/with_server.py
EXPORTED := $(SERVED) --export
MARKS := not slow and not docker and not postgres and not browser
# Several tests go on at once; tests/conftest.py says which stay together.
PYTEST := $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --no-loadscope-reorder
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --quiet \
	--custom-compile-command "make lock" pyproject.toml $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help install train infer ui docker-build docker-train docker-infer docker-ui docker-shell \
	server-up server-down server-logs server-backup server-restore \
	test test-all test-docker screenshots verify-release check bench lock clean

# The stamp holds the folder it was made in: a moved or copied checkout gets its own environment.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  ARGS="key=value ..." passes overrides (train) or arguments; TASK=Mnist_A picks a task'

install: $(STAMP)  ## make .venv with the locked packages and shackdoo itself (editable)

train: $(STAMP)  ## train TASK (Mnist_B): make train TASK=Mnist_A ARGS="task.parameters.epochs=2"
	$(SERVED) $(BIN)/shackdoo train task=$(TASK) $(ARGS)

infer: $(STAMP)  ## answer about INPUT: make infer INPUT=scans/ ARGS="output=answers.csv run=best"
	$(SERVED) $(BIN)/shackdoo infer task=$(TASK) $(if $(INPUT),"input=$(INPUT)") $(ARGS)

ui: $(STAMP)  ## show the runs in the browser (MLflow on 127.0.0.1:5000)
	$(SERVED) $(BIN)/shackdoo ui $(ARGS)

docker-build:  ## build the image of this tree (GPU=0: without CUDA; BASE_IMAGE=NAME)
	sh docker/build.sh

docker-train: $(STAMP)  ## train TASK in the image: make docker-train TASK=Mnist_A ARGS="seed=1" (GPU=0)
	@sh docker/build.sh --if-needed
	@$(EXPORTED) sh docker/run.sh train

docker-infer: $(STAMP)  ## answer about INPUT in the image
	@sh docker/build.sh --if-needed
	@$(EXPORTED) sh docker/run.sh infer

docker-ui:  ## show the runs from the image, on 127.0.0.1:8080 (UI_HOST, UI_PORT)
	@sh docker/build.sh --if-needed
	@sh docker/run.sh ui

docker-shell:  ## open a shell in the image, as the owner of this tree
	@sh docker/build.sh --if-needed
	@sh docker/run.sh shell

server-up:  ## start a shared tracking server (SERVER_HOST, SERVER_PORT=5000, SERVER_NAMES)
	@sh docker/server.sh up $(ARGS)

server-down:  ## stop it and keep its data (ARGS=--volumes removes them)
	@sh docker/server.sh down $(ARGS)

server-logs:  ## show what it logs (ARGS=--follow goes on)
	@sh docker/server.sh logs $(ARGS)

server-backup:  ## copy its database and artifacts into one file (BACKUP=path; else in backups/)
	@sh docker/server.sh backup

server-restore:  ## put the copy BACKUP=path into an empty server
	@sh docker/server.sh restore

test: $(STAMP)  ## run the tests that need nothing installed, several at once
	$(PYTEST) -m "$(MARKS)" $(ARGS)

test-all: $(STAMP)  ## run all tests with their full counts, also those that are slow or need a server
	$(PYTEST) --full $(ARGS)

test-docker: $(STAMP)  ## run the tests that need a Docker engine, with images of their own
	$(BIN)/python -m pytest -m docker $(ARGS)

screenshots: $(STAMP)  ## take the pictures of the browser in docs/screenshots anew (wants Chromium)
	$(BIN)/python -m pytest tests/browser --screenshots docs/screenshots $(ARGS)

verify-release: $(STAMP)  ## train Mnist_B, and reproduce it bit by bit from the store and a fresh clone
	@sh scripts/verify_release.sh

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
	$(BIN)/python benchmarks/frontier.py
	$(BIN)/python benchmarks/predecessor.py
	$(BIN)/python benchmarks/in_docker.py
	$(BIN)/python benchmarks/bits.py
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/data_size.py
	$(BIN)/python benchmarks/manifest_cost.py
	$(BIN)/python benchmarks/reproduce_cost.py
	$(BIN)/python benchmarks/manifest_cost.py

lock: | $(BIN)/uv  ## remake the lock files from pyproject.toml (ARGS=--upgrade for newest versions)
	$(COMPILE) -o requirements.lock
	cp requirements.lock local/requirements.lock
	$(COMPILE) -c requirements.lock --extra dev -o requirements-dev.lock
	$(COMPILE) -c requirements.lock --extra gpu -o requirements-gpu.lock
	$(COMPILE:pyproject.toml=--group server) -c requirements-dev.lock -o docker/server/requirements.lock
	echo hatchling | $(COMPILE:pyproject.toml=-) -c requirements-dev.lock -o requirements-build.lock

clean:  ## remove caches and build results; keeps .venv, data and runs
	rm -rf build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

$(BIN)/uv:
	$(MAKE) install

$(STAMP): pyproject.toml requirements-dev.lock scripts/make_venv.sh
	@PYTHON="$(PYTHON)" sh scripts/make_venv.sh $(STAMP)
