# PYTHON makes the virtual environment; everything else runs inside it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
CORES ?= $(shell getconf _NPROCESSORS_ONLN)

.PHONY: setup reproduce test lint lock bench check-gpu clean

setup: $(VENV)/.ready

# The environment is made again when the lock or the package's metadata change. Bytecode is compiled
# once here: where Python is told not to write it, every import of timm would cost seconds. That of
# the packages' own tests is left out, a fifth of all; a few files are for later versions of Python.
$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
	  || { echo "polyrepro needs Python 3.11 or 3.12; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' $(VENV)/lib polyrepro || true
	@touch $@

reproduce: setup
	$(BIN)/snakemake --cores $(CORES) --quiet rules

# Three processes keep two cores busy: tests wait for signals, for Slurm and for each other.
test: setup
	$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy

# Follows pyproject.toml; what is locked already stays as it is, if it still fits. Needs `make setup`.
lock:
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --group dev --group detection3d \
	  --generate-hashes --no-annotate --no-header --no-emit-index-url \
	  --output-file requirements.lock pyproject.toml

bench: setup
	$(BIN)/python benchmarks/losses.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/sweep.py

# Tries everything on this machine's GPU, in at most three minutes; README, "On a new GPU machine".
check-gpu: setup
	$(BIN)/polyrepro check-gpu

# Keeps the environment and the finished runs of other scales.
clean:
	rm -rf results/embedded .snakemake
