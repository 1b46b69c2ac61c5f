# Every target runs in .venv, which the first one creates. `make help` lists them.

# One folder per distribution, in the order they are installed in: a new backend adds its own.
PACKAGES := trulens_core trulens_torch trulens_keras trulens_tf trulens_jax
# Extras of trulens_core that tests, examples and benchmarks use.
EXTRAS := viz,progress,text,segments,data,ray,testing
# Keras runs on one framework in a process: TensorFlow in the first run, these in runs of their own.
KERAS_ON := torch jax
# Processes that the tests are spread over, and what else to tell pytest.
WORKERS ?= 2
PYTEST_ARGS ?=

# What the other frameworks' runs of Keras test: all of it, unless PYTEST_ARGS names tests.
KERAS_TESTS := $(if $(filter tests/%,$(PYTEST_ARGS)),$(filter tests/keras%,$(PYTEST_ARGS)),tests/keras)

# The first Python on the path that is new enough and can make an environment.
# Another one: make test PYTHON=/path/to/python3
CAN_BUILD := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in python3.11 python3 python3.12 python3.13; do \
	if $$name -c '$(CAN_BUILD)' 2>/dev/null; then echo $$name; break; fi; done)

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# A second environment, for a benchmark: Xplique pins a TensorFlow older than ours.
XPLIQUE := .venv-xplique/.installed
CORE := $(firstword $(PACKAGES))
BACKENDS := $(filter-out $(CORE),$(PACKAGES))
# Each test process has one thread, so that the processes do not fight over the cores.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help install lint format test test-all fuzz demo demo-jax demo-keras docs bench bench-gpu clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: $(INSTALLED) ## create .venv with the library, editable, and the tools

lint: $(INSTALLED) ## check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES:%=%/src)

format: $(INSTALLED) ## format the code and mend what can be mended by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint ## lint, then run every test
	$(ONE_THREAD) $(BIN)/pytest -n $(WORKERS) $(PYTEST_ARGS)
	@for framework in $(if $(KERAS_TESTS),$(KERAS_ON)); do echo "Keras on $$framework"; \
		KERAS_BACKEND=$$framework $(ONE_THREAD) $(BIN)/pytest -n $(WORKERS) \
			$(filter-out tests/%,$(PYTEST_ARGS)) $(KERAS_TESTS) || exit 1; done

test-all: ## the same with every case of the conformance suite on every framework; takes hours
	TRULENS_EVERY=1 $(MAKE) test

# What to tell the fuzzer: make fuzz FUZZ="--framework jax --cases 500 --seed 7"
FUZZ ?= --framework torch --cases 1000

fuzz: $(INSTALLED) ## random networks x random explanations against plain autograd; FUZZ="..." chooses
	$(ONE_THREAD) $(BIN)/python tests/fuzz/fuzz.py $(FUZZ)

demo: $(INSTALLED) ## run the example on PyTorch; its pictures go to demo/
	@mkdir -p demo
	$(BIN)/python examples/demo_torch.py

demo-jax: $(INSTALLED) ## run the example on JAX; its pictures go to demo/, too
	$(BIN)/python examples/demo_jax.py

demo-keras: $(INSTALLED) ## run the example on Keras with TensorFlow; its pictures go to demo/, too
	$(BIN)/python examples/demo_keras.py

docs: $(INSTALLED) ## build the documentation into site/; notebooks run unless the tests ran them
	@$(BIN)/python docs/execute.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "The documentation is in site/index.html; its search needs a server:" \
		"$(BIN)/python -m http.server -d site"

# On which device: make bench-gpu DEVICE=cpu runs the same with small tensors, without one.
DEVICE ?= cuda

bench-gpu: $(INSTALLED) ## run the benchmarks of PyTorch on a GPU, alone; needs one
	$(BIN)/python benchmarks/torch_short.py --device $(DEVICE)

bench: $(INSTALLED) $(XPLIQUE) ## run the benchmarks and write docs/performance.md
	$(BIN)/python benchmarks/report.py

clean: ## remove .venv and everything that was generated
	rm -rf $(VENV) $(dir $(XPLIQUE)) dist build site demo .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

$(XPLIQUE):
	@echo "Installing Xplique, and the library beside it, into $(dir $@)"
	@$(PYTHON) -m venv --clear $(dir $@)
	@$(dir $@)bin/python -m pip install --quiet --disable-pip-version-check xplique==2.0.2 \
		tf_keras -e ./$(CORE) -e ./trulens_keras -e ./trulens_tf
	@touch $@

# Made again when a list of what to install changes; otherwise a second run installs nothing.
$(INSTALLED): constraints.txt requirements-dev.txt $(PACKAGES:%=%/pyproject.toml)
	@test -n "$(PYTHON)" || { \
		echo "No Python 3.11 or newer with venv was found on the path." >&2; \
		echo "Name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }
	@$(BIN)/python -c '' 2>/dev/null || { \
		echo "Creating $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "Installing into $(VENV): the library, PyTorch, TensorFlow, JAX, Keras, and the tools for"
	@echo "tests and documentation. The first time takes some minutes and 5 GB of disk, more where"
	@echo "pip's PyTorch comes with CUDA. What pip does is printed."
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -c constraints.txt \
		-r requirements-dev.txt -e './$(CORE)[$(EXTRAS)]' $(BACKENDS:%=-e ./%)
	@touch $@
