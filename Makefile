# Five targets, each of which does all its own set-up in .venv:
#
#   make demo        set up, run the bundled quickstart study, print its table and where the report is
#   make test        set up, run the whole suite (starts real Ray clusters)
#   make test-fast   set up, run the tests that need neither Ray nor patience (a minute)
#   make check       set up, lint, formatting, spelling, types, import rules
#   make docs        set up, build the documents as a site, with search, in site/

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := demo
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
DEMO := $(VENV)/demo-installed
EVERYTHING := mini,sinks,frames,dev
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3 python; do \
	"$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' > /dev/null 2>&1 && echo "$$name" && break; \
	done)
PYTEST := $(BIN)/python -m pytest
# A process a core; a file's tests stay together, for what they share, and so do Ray's (tests/conftest.py).
SIDE_BY_SIDE := -n logical --maxprocesses 8 --dist loadfile

# What is installed compiles as it is first imported, and is to be kept: Ray's processes import 1,500 files each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-fast check docs

demo: $(DEMO)
	$(BIN)/ablate run quickstart

test: $(STAMP)
	$(PYTEST) $(SIDE_BY_SIDE) --durations=30

test-fast: $(STAMP)
	$(PYTEST) -q -m "not ray and not slow" $(SIDE_BY_SIDE)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/mypy benchmarks
	$(BIN)/lint-imports --verbose

docs: $(VENV)/docs-installed
	$(BIN)/python docs/make_reference.py
	$(BIN)/python docs/make_gallery.py
	$(BIN)/zensical build --strict
	@echo "To look at it: $(BIN)/python -m http.server --directory site --bind 127.0.0.1 8000"

$(VENV)/docs-installed: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	touch $@

# $(call set-up,SIZE,EXTRAS): what is installed compiles as it is first imported, most of it never; pip says nothing for
# minutes, so that somebody else has to.
define set-up
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with venv found on PATH; name one: make PYTHON=/path/to/python" >&2; exit 2; }
	@echo "Setting up $(VENV): $(1), some minutes the first time"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt --editable '.[$(2)]' & \
	for (( second = 1; ; second++ )); do \
		sleep 1; kill -0 $$! 2> /dev/null || break; \
		(( second % 10 )) || echo "  $$(ls -d $(VENV)/lib/python*/site-packages/*.dist-info | wc -l) packages installed, $$second s so far"; \
	done; wait $$!
endef

# Anew whenever what is to be installed changes; the sources themselves are linked, not copied.
$(STAMP): pyproject.toml constraints.txt
	$(call set-up,3.2 GB,$(EVERYTHING))
	touch $@ $(DEMO)

# Without the tools of development, the sinks and the frames of the other targets.
$(DEMO): pyproject.toml constraints.txt
	$(call set-up,2.4 GB,mini)
	touch $@
