# Everything this project does, by name. Needs python 3.11 or newer, make, git and the package registries; nothing else.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-full coverage format lint types layers unit full fix ui serve check-recipes dvc-stages picture bench lock

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
PORT ?= 5000
# How many processes share the tests (0 for none but pytest's own). A file's tests stay in one. Files are handed out as they
# are collected: by their number of tests, as xdist would have it, the ones with few and long tests came last.
# A test that hangs ends its process and all tests with it: begun again in a new process, it would hang again.
WORKERS ?= logical
PYTEST := $(BIN)/pytest --numprocesses=$(WORKERS) --maxprocesses=8 --dist=loadfile --no-loadscope-reorder --max-worker-restart=0
MODEL ?= dino-base@champion
BENCHMARKS := input_pipeline training_step loss extraction knn linear_probe label_propagation ingest data_wait start_up
# The peers of the benchmarks are not among them: nobody needs them to use or test this project.
LOCKED_EXTRAS := gpu dashboard postgresql s3 dev

# uv reads neither pip's configuration nor its variables: hand the registry of the environment on.
ifneq ($(PIP_INDEX_URL),)
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif
# No command here phones home.
export DO_NOT_TRACK := 1
export KEDRO_DISABLE_TELEMETRY := 1
export MLFLOW_DISABLE_TELEMETRY := true

help:  ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 18

setup: $(STAMP)  ## make .venv with the pinned packages and this project in it

# Made again only when the pins, the project's metadata or the checkout's place change.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "dino_pipeline needs python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)."; \
	  echo "Name another one: make PYTHON=python3.12 $(or $(MAKECMDGOALS),setup)"; exit 1; }
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv || { \
	  echo "python could not make a virtual environment (on Debian and Ubuntu: apt install python3-venv)."; exit 1; }
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.5"
	@echo "Installing the pinned packages into .venv (several GB the first time) ..."
	@$(BIN)/python -m uv pip sync --quiet --compile-bytecode --python $(BIN)/python requirements.lock
	@$(BIN)/python -m uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: setup  ## ingest, pretrain, evaluate and register on photographs that came with the packages; prints one table
	@$(BIN)/kedro run

test: setup format lint types layers unit  ## formatting, lint, types, import layers, and the tests (TESTS=... for some of them)

test-full: setup full  ## the long tests: the pipelines and DVC in temporary clones (TESTS=... for some of them)

coverage: setup  ## the tests of `make test`, and which lines they run; an eighth slower (TESTS=... for some of them)
	@$(PYTEST) -m "not full" --cov --cov-report=term:skip-covered $(TESTS)

format: setup
	@echo "== formatting"; $(BIN)/ruff format --check .

lint: setup
	@echo "== lint"; $(BIN)/ruff check .

types: setup
	@echo "== types"; $(BIN)/mypy

layers: setup
	@echo "== import layers"; $(BIN)/lint-imports

unit: setup
	@echo "== tests"; $(PYTEST) -m "not full" $(TESTS)

full: setup
	@echo "== long tests"; $(PYTEST) -m full $(TESTS)

fix: setup  ## put formatting and lint right where a tool can
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

ui: setup  ## MLflow's UI on mlruns/, at http://127.0.0.1:5000 (PORT=... for another)
	@mkdir -p mlruns
	@echo "MLflow UI on http://127.0.0.1:$(PORT) in about 20 seconds; Ctrl-C ends it."
	@$(BIN)/mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db --default-artifact-root mlruns/artifacts --host 127.0.0.1 --port $(PORT) --workers 1

# MLflow looks for its server, uvicorn, on the PATH.
serve: export MLFLOW_TRACKING_URI ?= sqlite:///$(CURDIR)/mlruns/mlflow.db
serve: setup  ## the champion's embeddings over HTTP, at http://127.0.0.1:5000 (MODEL=name@alias, PORT=... for another)
	@echo "Embeddings of $(MODEL) on http://127.0.0.1:$(PORT) in about 20 seconds; Ctrl-C ends it. docs/serving.md says how to ask."
	@PATH="$(CURDIR)/$(BIN):$$PATH" mlflow models serve --model-uri models:/$(MODEL) --env-manager local --host 127.0.0.1 --port $(PORT)

check-recipes: setup  ## build every recipe, take two small steps of each, print what it costs
	@$(BIN)/python -m dino_pipeline check-recipes

dvc-stages: setup  ## write dvc.yaml and evaluations/dvc.yaml again, from the pipelines, the catalog and the imports
	@$(BIN)/python -m dino_pipeline dvc-stages

picture: setup  ## draw docs/pipelines.svg again, from the registry
	@$(BIN)/python -m dino_pipeline picture docs/pipelines.svg

bench: setup  ## measure this project beside its peers, about half an hour; results in benchmarks/results/
	@$(BIN)/python -m uv pip install --quiet --python $(BIN)/python --constraint requirements.lock --editable ".[bench]"
	@for name in $(BENCHMARKS); do \
	  $(BIN)/python benchmarks/$$name.py --output benchmarks/results/$$name.json || exit 1; done

lock:  ## pin the newest allowed packages into requirements.lock
	@$(BIN)/python -m uv pip compile --universal --generate-hashes --python-version 3.11 $(LOCKED_EXTRAS:%=--extra %) --no-header \
	  --no-emit-index-url pyproject.toml -o requirements.lock
