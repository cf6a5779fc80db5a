# Everything runs in .venv, which is made on first use from the pinned lock; a stamp file makes the second start immediate.
# Bytecode is compiled while installing, so that the first notebook opens as fast as the tenth.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
# JupyterLab asks for this word where the only user is root, as in a container.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
INSTALL := VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --compile-bytecode
COMPILE := $(UV) pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

.PHONY: lab app test bench results data lock

lab: $(VENV)/.lab
	$(BIN)/jupyter lab $(AS_ROOT) notebooks/00_start_here.ipynb

app: $(VENV)/.lab
	$(BIN)/voila notebooks --strip_sources=True

test: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest

bench: $(VENV)/.test
	$(INSTALL) --no-deps -r tests/benchmarks/peers.txt
	$(BIN)/python -m tests.benchmarks

results: $(VENV)/.lab
	$(BIN)/python -m workbench.experiments

data: $(VENV)/.lab
	$(BIN)/python -m workbench.datasets.build

lock: $(UV)
	$(COMPILE) --output-file requirements.lock
	$(COMPILE) --extra test --constraint requirements.lock --output-file tests/requirements.lock

$(UV):
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade uv

$(VENV)/.lab: requirements.lock pyproject.toml | $(UV)
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-deps --editable .
	touch $@

$(VENV)/.test: tests/requirements.lock $(VENV)/.lab
	$(INSTALL) --require-hashes -r tests/requirements.lock
	touch $@
