# Two commands for everybody:   make demo   make test
# Development:                  make check  make docs  make bench  make test-slow  make fuzz  make check-oldest  make release
# Another interpreter:          make PYTHON=python3.12 demo

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
# Windows keeps the programs of an environment elsewhere.
PROGRAMS := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
BIN := $(VENV)/$(PROGRAMS)
PIP := $(BIN)/python -m pip
EXTRAS := train,cvx,dit,io,transformers,lightning,compiled,cluster,bench,docs,test,dev
INSTALL_INPUTS := setup.cfg pyproject.toml constraints.txt

# One thread: the tables are small, and threads would only fight over the cores.
fuzz test test-slow dist core-only check-oldest: export OMP_NUM_THREADS = 1

.PHONY: help demo fuzz test test-slow check lint docs dist core-only check-oldest bench release clean

help:
	@sed -n 's/^# //p' Makefile | head -3

demo: $(VENV)/installed-train
	$(BIN)/pidkd demo

# A process for each core; the tests of a file stay together, so that what they share is made once.
test: $(VENV)/installed-all
	$(BIN)/python -m pytest -n logical --dist loadfile

test-slow: $(VENV)/installed-all
	$(BIN)/python -m pytest -m slow

# Another seed, more time, one area:  make fuzz FUZZ="--seed 1 --minutes 60 --area files"
FUZZ := --minutes 5

fuzz: $(VENV)/installed-all
	$(BIN)/python tests/fuzz/run.py $(FUZZ)

bench: $(VENV)/installed-all
	$(BIN)/pidkd bench --peers --time-limit 15 --repeats 3 --jobs 2 -o build/bench.jsonl --page build/bench.html --force

check: lint docs dist core-only

lint: $(VENV)/installed-all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

docs: $(VENV)/installed-all
	rm -rf docs/_build docs/generated
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo 'the documentation is docs/_build/html/index.html'

dist: $(VENV)/installed-all
	rm -rf build dist
	$(BIN)/python -m build --quiet --outdir dist .
	$(BIN)/python -m pytest -m dist tests/test_packaging.py

# The wheel alone, with the core dependencies only. pytest is called by its own name, not as a module of python, so that
# the checkout does not come before the installed package on the path.
core-only: dist
	$(BIN)/python -m venv --clear build/core-only
	build/core-only/$(PROGRAMS)/python -m pip install -q -c constraints.txt "$$(echo dist/*.whl)[test]"
	build/core-only/$(PROGRAMS)/pytest -m core_only tests/core_only

# A rehearsal: everything of a release but its upload. After it: git tag v<version>, and twine upload dist/*
release: check
	$(BIN)/python -m venv --clear build/release
	build/release/$(PROGRAMS)/python -m pip install -q -c constraints.txt twine
	build/release/$(PROGRAMS)/python -m twine check --strict dist/*
	@echo "would upload: $$(echo dist/*)"

# The floors of setup.cfg, as exact versions. Needs an interpreter that the oldest versions know: Python 3.11.
check-oldest:
	$(MAKE) --no-print-directory $(VENV)/bin/python
	$(BIN)/python -m venv --clear build/oldest
	sed -n '/^install_requires/,/^#/s/^ *\([a-z0-9-]*\) >= /\1==/p' setup.cfg > build/oldest.txt
	build/oldest/$(PROGRAMS)/python -m pip install -q -r build/oldest.txt ".[test]"
	build/oldest/$(PROGRAMS)/pytest -m "not slow and not gpu and not core_only and not dist and not peer" tests

clean:
	rm -rf build dist docs/_build docs/generated .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# --- the environment: made once, filled anew when what it is made from changes

$(BIN)/python:
	@python=$$(for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python); do \
	  "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$python" && break; \
	done) || { echo 'pidkd needs Python 3.11 or later with its venv and pip modules, and found none: install one' \
	  '(on Debian and Ubuntu also the package python3-venv), or name it: make PYTHON=/path/to/python3' >&2; exit 1; }; \
	echo "making $(VENV) with $$python" && "$$python" -m venv $(VENV)

# An environment that is there is kept: a PYTHON of another version is not taken silently for it.
.PHONY: same-python
same-python: | $(BIN)/python
	@made=$$($(BIN)/python -V); wanted=$$("$(PYTHON)" -V) || exit 1; [ "$$wanted" = "$$made" ] || { echo \
	  "$(VENV) was made with $$made, and PYTHON=$(PYTHON) is $$wanted: remove $(VENV), or leave out PYTHON" >&2; exit 1; }

$(VENV)/installed-train: $(INSTALL_INPUTS) | $(BIN)/python $(if $(PYTHON),same-python)
	$(PIP) install -c constraints.txt -e ".[train]"
	touch $@

$(VENV)/installed-all: $(INSTALL_INPUTS) | $(BIN)/python $(if $(PYTHON),same-python)
	$(PIP) install -c constraints.txt -e ".[$(EXTRAS)]"
	touch $(VENV)/installed-train $@
