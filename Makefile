# make train, make test, make bench need only Python >= 3.11, git and make.
PYTHON ?= python3
BIN := .venv/bin
LOCK := uv pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock"

.PHONY: install install-predict train test test-all lint bench peers lock clean

install: .venv/installed

# Prediction alone, without PyTorch and Lightning: .venv-predict/bin/digits predict input=photo.jpg
install-predict: .venv-predict/installed

train: .venv/installed
	$(BIN)/python train.py

# Fast tests; `make test-all` adds whole programs, kills, several processes, Slurm and a browser.
test: .venv/installed-dev
	$(BIN)/python -m pytest -n auto -m "not slow"

test-all: .venv/installed-dev
	$(BIN)/python -m pytest -n auto

lint: .venv/installed-dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Benchmarks against other projects on this machine, about 90 minutes. MNIST is read from ROOT or downloaded there.
ROOT ?= data
bench: .venv/installed-dev peers
	$(BIN)/python -m benchmarks --root $(ROOT)

peers: .venv-peers/installed

# Locks the newest allowed versions with hashes, for every platform and Python version.
lock: .venv/installed-dev
	$(BIN)/$(LOCK) --upgrade pyproject.toml --output-file requirements.lock
	$(BIN)/$(LOCK) --upgrade pyproject.toml --extra dev --constraint requirements.lock --output-file requirements-dev.lock
	$(BIN)/$(LOCK) --upgrade --group predict --constraint requirements.lock --output-file requirements-predict.lock

clean:
	rm -rf .venv .venv-predict .venv-peers

.venv/bin/python .venv-predict/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; choose one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(@:/bin/python=)

.venv/installed: requirements.lock pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

.venv/installed-dev: requirements-dev.lock .venv/installed
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	touch $@

# Python compiles what prediction imports when it first does: a quarter of the time and of the size is saved here.
.venv-predict/installed: requirements-predict.lock pyproject.toml | .venv-predict/bin/python
	.venv-predict/bin/python -m pip install --quiet --no-compile --require-hashes --requirement requirements-predict.lock
	.venv-predict/bin/python -m pip install --quiet --no-deps --editable .
	touch $@

.venv-peers/installed: benchmarks/requirements.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --requirement benchmarks/requirements.txt
	touch $@
