# Two commands: `make demo` opens the workstation, `make test` proves it. Both set everything up first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CHROMIUM := $(VENV)/.chromium
COMPILED := $(VENV)/.compiled
PEERS := $(VENV)/.peers
SPHINX := $(VENV)/.sphinx
PORT ?= 5006
KERNELS := $(shell grep -rlE --include=*.py '^ *(from|import) numba' workstation)
WORKERS := $(shell nproc 2>/dev/null || echo 2)
LEGS := $(shell echo $$(( $(WORKERS) + 1 )))
QUIET_MARKET := WORKSTATION_RECORD=false WORKSTATION_SEED=7 WORKSTATION_FEED_OPTIONS='{"synthetic": {"rate": 100}}'
COMPILE := --universal --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links --quiet

# Rewritten test modules and compiled sources are kept between the legs, whatever the environment asks of one-off scripts.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo lab test leg-pages leg-notebooks leg-served leg-laws leg-views leg-wire leg-rest lint types unit laws browser browser-flow notebooks notebooks-lab bench faults api-proof audit lock format clean screenshots docs

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | sort

$(READY): requirements.lock pyproject.toml
	@scripts/setup.sh "$(PYTHON)" "$(VENV)"
	@touch $@

$(CHROMIUM): scripts/system_packages.sh
	@scripts/system_packages.sh
	@touch $@

$(COMPILED): $(READY) $(KERNELS)
	@$(BIN)/workstation compile
	@touch $@

setup: $(READY) $(COMPILED)  ## virtual environment with the locked dependencies, kernels compiled

demo: $(READY)   ## the live dashboard on the synthetic market
	@$(BIN)/workstation demo --port $(PORT)

lab: setup       ## JupyterLab on a working copy of the notebooks: what is run and changed there leaves the tree clean
	@mkdir -p artifacts/notebooks
	@cp -n notebooks/*.ipynb artifacts/notebooks/
	@cd artifacts/notebooks && ../../$(BIN)/jupyter lab --ServerApp.root_dir=. 01_first_hour.ipynb

lint: $(READY)   ## format, lint (bandit's rules among them), the walls between rooms and circles between files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-logo || $(BIN)/lint-imports
	@$(BIN)/python scripts/check_circles.py workstation

types: $(READY)  ## mypy, strict on the engines
	@$(BIN)/mypy

unit: setup      ## doctests, unit, reference, property and wire tests, the long ones too that make test leaves out
	@nice -n 5 $(BIN)/python -m pytest -p no:nbval -o timeout=400 -n $(WORKERS) --dist worksteal --doctest-modules workstation tests --ignore=tests/browser --ignore=tests/notebooks

laws: setup      ## the laws with many more examples, drawn anew each time: an hour and more
	@WORKSTATION_DEEP_LAWS=1 nice -n 5 $(BIN)/python -m pytest -p no:nbval -o timeout=7200 -n $(WORKERS) tests/property

browser: setup $(CHROMIUM)  ## Chromium looks at the served pages, details too that make test leaves out
	@$(BIN)/python -m pytest -p no:nbval -o timeout=600 tests/browser

browser-flow: setup $(CHROMIUM)  ## Chromium looks at the flow page, which draws an options day first
	@WORKSTATION_FLOW_PAGE=1 $(BIN)/python -m pytest -p no:nbval -o timeout=600 tests/browser/test_flow_page.py

notebooks: setup ## every notebook runs, its tagged outputs are compared
	@nice -n 5 $(BIN)/python -m pytest tests/notebooks
	@$(QUIET_MARKET) nice -n 5 $(BIN)/python -m pytest --nbval-lax -p no:xdist notebooks

notebooks-lab: setup $(CHROMIUM)  ## every notebook in JupyterLab in Chromium, offline, in both themes; pictures in artifacts/lab
	@WORKSTATION_LAB=all $(BIN)/python -m pytest -p no:nbval tests/notebooks/test_lab.py

LEG := nice -n 5 $(BIN)/python -m pytest -p no:nbval -p no:xdist -o timeout=400 -m "not thorough"
VIEWS := tests/unit/views tests/unit/plots tests/unit/cli tests/unit/api tests/unit/test_desk.py
WIRE := tests/wire tests/reference

leg-pages: setup $(CHROMIUM)
	@$(BIN)/python -m pytest -p no:nbval -p no:xdist -o timeout=600 -m "not thorough" tests/browser

leg-notebooks: setup
	@$(QUIET_MARKET) nice -n 5 $(BIN)/python -m pytest --nbval-lax -p no:xdist notebooks

leg-served: setup
	@nice -n 5 $(BIN)/python -m pytest -p no:xdist -m "not thorough" tests/notebooks

leg-laws: setup
	@$(LEG) tests/property

leg-views: setup
	@$(LEG) $(VIEWS)

leg-wire: setup
	@$(LEG) $(WIRE)

leg-rest: setup
	@$(LEG) --doctest-modules workstation tests $(addprefix --ignore=,tests/browser tests/notebooks tests/property $(VIEWS) $(WIRE))

test: $(READY)   ## everything
	@$(MAKE) --no-print-directory -j2 --output-sync=target lint $(COMPILED) $(CHROMIUM)
	@echo "Types and seven legs of tests, $(LEGS) at a time; each is shown when it is done."
	@$(MAKE) --no-print-directory --keep-going -j$(LEGS) --output-sync=target leg-pages leg-notebooks leg-rest leg-wire leg-views types leg-laws leg-served

$(PEERS): $(READY) $(COMPILED) requirements-bench.lock
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --requirement requirements-bench.lock
	@touch $@

bench: $(PEERS)  ## benchmarks beside their peers, as ratios
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

$(SPHINX): $(READY) requirements-docs.lock
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --requirement requirements-docs.lock
	@touch $@

docs: $(SPHINX)  ## the documentation's site, built offline; EXECUTE=1 runs the notebooks first, once
	@$(BIN)/python scripts/build_docs.py $(if $(EXECUTE),--execute)

faults: setup    ## break it on purpose: networks, disks, clocks, kills, damaged stores and files, poisoned frames, signals
	@$(BIN)/python scripts/faults.py

api-proof: setup ## the API against its OpenAPI document, by schemathesis, which is fetched into an environment of its own
	@$(BIN)/python scripts/check_api.py

audit: $(READY)  ## known vulnerabilities of the locked packages, and bandit; asks the network
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python scripts/audit.py

screenshots: setup $(CHROMIUM)  ## the pictures of the README, taken from the running product
	@$(BIN)/python scripts/screenshots.py

lock: $(READY)   ## pin the dependencies anew, naming no registry
	@$(BIN)/uv pip compile $(COMPILE) --extra dev --extra databento --extra bus --extra dask --extra door --extra ibkr pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile $(COMPILE) --extra bench --constraint requirements.lock pyproject.toml -o requirements-bench.lock
	@$(BIN)/uv pip compile $(COMPILE) --extra docs --constraint requirements.lock pyproject.toml -o requirements-docs.lock

format: $(READY) ## format and mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:           ## drop the environment and what the tests left
	@rm -rf $(VENV) artifacts .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
