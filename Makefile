# `make help` lists the targets. Every target that needs it does all set-up first; a second call starts at once.

PYTHON_CHECK := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
# The first Python on PATH that runs, is new enough and can make a virtual environment (looked for by set-up only).
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	if "$$name" -c '$(PYTHON_CHECK)' >/dev/null 2>&1; then echo "$$name"; break; fi; done)
# make setup TORCH=cpu: torch without CUDA, 1 GB and not 6, where this index can be reached.
CPU_WHEELS ?= https://download.pytorch.org/whl/cpu
ifneq ($(filter-out cpu,$(TORCH)),)
$(error TORCH=$(TORCH): expected TORCH=cpu, or no TORCH for the torch of PyPI)
endif
# worksteal: each process begins with a half of the tests in their order, so that what a file makes once is made once.
PYTEST_FLAGS ?= -n 2 --dist worksteal
VENV := .venv
RUN := $(VENV)/bin/python -m
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup reproduce test check lint types unit test-all test-cuda test-ddp test-slurm test-ray test-browser golden format bench many scale torture families batchnorm starts findings wheel clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

setup: $(READY)  ## create .venv with the tested versions (minutes once, then nothing)

# Runs again when the dependencies change. An environment that works is kept, one that was left half-made is not.
$(READY): pyproject.toml constraints.txt
	@if ! $(VENV)/bin/python -c '$(PYTHON_CHECK); import pip' >/dev/null 2>&1; then \
		python='$(PYTHON)'; \
		if ! "$${python:-false}" -c '$(PYTHON_CHECK)' >/dev/null 2>&1; then \
			echo "seekcli needs Python 3.11 or newer with its venv module (found: $${python:-none on PATH})." >&2; \
			echo "Install one (Debian, Ubuntu: python3 and python3-venv), or name it: make setup PYTHON=/path/to/python3" >&2; \
			exit 1; \
		fi; \
		echo "Setting up $(VENV) with $$python: a few minutes and $(if $(TORCH),less than the 6 GB of a torch with CUDA,6 GB), once."; \
		"$$python" -m venv --clear $(VENV); \
	fi
ifeq ($(TORCH),cpu)
	$(RUN) pip install --disable-pip-version-check --no-input --index-url $(CPU_WHEELS) \
		$$(grep -E '^(torch|torchvision)==' constraints.txt)
endif
	$(RUN) pip install --disable-pip-version-check --no-input -c constraints.txt -e '.[test]'
	@touch $@

SCALE_POINTS ?= 1000 10000 100000
GRID ?= digits
reproduce: setup  ## run the embedded experiment on real images, print the comparison and write the report; GRID=paper/... another
	$(VENV)/bin/seek grid run grids/$(GRID).toml $(GRID_FLAGS)
	$(VENV)/bin/seek compare results/
	$(VENV)/bin/seek report results/ --out results/reports/$(notdir $(GRID)).html

test: check  ## lint, types and the fast tests: all that CI runs

check: lint types unit  ## the same as test

lint: setup  ## ruff
	$(RUN) ruff check --output-format concise .

types: setup  ## mypy
	$(RUN) mypy

unit: setup  ## the fast tests alone
	$(RUN) pytest -m 'not slow' $(PYTEST_FLAGS)

test-all: lint types  ## every test, the slow ones included
	$(RUN) pytest $(PYTEST_FLAGS)

golden: setup  ## print the loss trace that tests/train/test_golden.py stores
	PYTHONPATH=tests $(VENV)/bin/python tests/train/test_golden.py

format: setup  ## let ruff sort imports and fix what it can
	$(RUN) ruff check --fix .

bench: setup  ## the loop and the switch against the plain way of writing them, side by side in one process
	$(VENV)/bin/python benchmarks/loop.py

many: setup  ## 10,000 prepared runs: list and compare them in under 10 s and 1 GB (writes 400 MB to a temporary folder)
	$(VENV)/bin/python benchmarks/many_runs.py

scale: setup  ## a grid of 1,000, 10,000 and 100,000 points with fake runs: planning, claiming, status, compare (an hour); SCALE_POINTS
	$(VENV)/bin/python benchmarks/scale.py --points $(SCALE_POINTS)

test-cuda: setup  ## what CUDA has of its own; without a CUDA device every test says "not run"
	$(RUN) pytest tests/cuda $(PYTEST_FLAGS)

test-ddp: setup  ## several processes for one run (gloo, on this machine): torchrun, kills and signals included (minutes)
	$(RUN) pytest -n 0 tests/test_ranks.py tests/train/test_several_processes.py tests/engines/test_several_processes.py tests/cli/test_torchrun.py

test-slurm: setup  ## start a Slurm of one machine, preempt an element and kill a node (minutes; root and Debian's packages), else "not run"
	$(RUN) pytest -n 0 tests/slurm

test-ray: setup  ## a Ray of two fake nodes: kill a worker, remove a node (minutes; installs the extra ray into .venv), else "not run"
	-$(RUN) pip install --disable-pip-version-check --no-input -c constraints.txt 'ray>=2.40'
	$(RUN) pytest -n 0 tests/ray

test-browser: setup  ## open a report in a headless chromium: no console message, no request, nothing wider than a phone
	$(RUN) pytest tests/browser $(PYTEST_FLAGS)

torture: setup  ## kill, damage, pause and starve real seek processes for 20 minutes: see docs/robustness.md
	PYTHONPATH=tests $(VENV)/bin/python -m torture $(TORTURE_FLAGS)

families: setup  ## measure the table of docs/families.md again (minutes)
	$(VENV)/bin/python benchmarks/families.py --write docs/families.md

.PHONY: own-pairs
own-pairs: setup  ## measure the table of timm's pairs in docs/families.md again (20 minutes)
	$(VENV)/bin/python benchmarks/own_pairs.py --write docs/families.md

.PHONY: ddp-figures
ddp-figures: setup  ## measure the table of docs/several_gpus.md again (minutes)
	OMP_NUM_THREADS=1 $(VENV)/bin/torchrun --nproc-per-node 2 benchmarks/several_processes.py --write docs/several_gpus.md

batchnorm: setup  ## measure the table of docs/batchnorm.md again (under 20 minutes on one core)
	$(VENV)/bin/python benchmarks/batchnorm.py --write docs/batchnorm.md

starts: setup  ## run grids/starts.toml and write the table of docs/starts.md (about 6 minutes on 2 cores)
	$(VENV)/bin/seek grid run grids/starts.toml --out results/starts
	$(VENV)/bin/python benchmarks/starts.py --write docs/starts.md

.PHONY: known
known: setup  ## write the costs and layouts of the catalog's models again (seekcli/models/*.json; half an hour)
	PYTHONPATH=tests $(VENV)/bin/python tests/models/test_known_layouts.py seekcli/models/known_layouts.json
	PYTHONPATH=tests $(VENV)/bin/python tests/models/test_known_macs.py seekcli/models/known_macs.json

findings: setup  ## write the tables of FINDINGS.md again from results/published
	$(VENV)/bin/python benchmarks/findings.py --write FINDINGS.md

wheel: setup  ## build the source archive and the wheel into dist/
	$(RUN) build --no-isolation

clean:  ## remove build products and caches; .venv and results stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find seekcli tests -name __pycache__ -type d -prune -exec rm -rf {} +
