# Needs python3 and make; everything else is set up in .venv and build, and as root with apt-get.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint bench tools clean

# Tests run programs as other users, whom a Python in root's own home (pyenv, uv) is closed to.
PYTHON ?= $(shell python3 -I -c 'import os, sys; program = os.path.realpath(sys.executable); \
	os.geteuid() or os.setuid(65534); print("python3" if os.access(program, os.X_OK) else "/usr/bin/python3")')
VENV := .venv
RUN := $(VENV)/bin/python

# What is set in the caller's shell for another Python would lead this one astray.
unexport $(filter PYTHON%,$(.VARIABLES)) PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Caches stay in the checkout.
export PIP_CACHE_DIR := $(CURDIR)/build/cache/pip
export RATTLER_CACHE_DIR := $(CURDIR)/build/cache/rattler

SHELL_SCRIPTS := $(wildcard .ci/run tests/*.sh shell/*.sh shell/*.bash)
TYPED := userconda demo tests $(wildcard benchmarks)
PYTEST_OPTIONS ?= -n auto --maxprocesses 4 --dist loadgroup

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 14

demo: $(VENV)/.demo ## show what ucenv does, in a directory of its own
	@$(RUN) -m demo

test: tools lint ## lint, then all tests (some need root; they say so)
	@$(RUN) -m pytest $(PYTEST_OPTIONS)

lint: tools $(VENV)/.test ## ruff, mypy, shellcheck, shfmt, fish_indent
	@$(RUN) -m ruff check --quiet .
	@$(RUN) -m mypy --no-error-summary $(TYPED) docs/generate.py
	@$(RUN) docs/generate.py --check
	@if command -v shellcheck >/dev/null; then shellcheck $(SHELL_SCRIPTS); else echo "lint: no shellcheck"; fi
	@if command -v shfmt >/dev/null; then shfmt -d $(SHELL_SCRIPTS); else echo "lint: no shfmt"; fi
	@if command -v fish_indent >/dev/null; then for file in $(wildcard shell/*.fish); do fish_indent --check $$file; done; \
	else echo "lint: no fish_indent"; fi
	@echo "lint: clean"

bench: tools $(VENV)/.test build/latfs ## the figures in the docs
	@$(RUN) -m benchmarks

tools: ## system packages that the tests use (installed when root)
	@tests/tools.sh

clean: ## remove what make has made
	@rm -rf build dist $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Moved into place, so that two tests that build it at once do not run half of it.
build/latfs: benchmarks/latfs.c
	@mkdir -p build
	@draft=$$(mktemp build/latfs.XXXXXX); \
	gcc -O2 -Wall -Wextra -Wno-missing-field-initializers -o $$draft $< $$(pkg-config fuse3 --cflags --libs) || { rm -f $$draft; exit 1; }; \
	chmod 755 $$draft; mv $$draft $@

$(VENV)/.demo $(VENV)/.test: $(VENV)/.%: pyproject.toml | $(VENV)/bin/pip
	@echo "setup: pip install -e .[$*]"
	@$(RUN) -m pip install -qq --root-user-action=ignore -e '.[$*]'
	@touch $@

$(VENV)/bin/pip:
	@echo "setup: $(VENV)"
	@if $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then $(PYTHON) -m venv --clear $(VENV); \
	elif $(PYTHON) -m virtualenv --version >/dev/null 2>&1; then $(PYTHON) -m virtualenv --quiet --clear $(VENV); \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "setup: installing python3-venv"; mkdir -p build; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-venv; } \
			>build/apt.log 2>&1 </dev/null || { cat build/apt.log >&2; exit 1; }; \
		$(PYTHON) -m venv --clear $(VENV); \
	else echo "ucenv needs Python's venv module: apt-get install python3-venv, or: $(PYTHON) -m pip install virtualenv" >&2; exit 1; fi
