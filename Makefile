# Everything here works on a machine that has make and Python 3.11 or newer, and nothing else.
#
#   make demo ONCE=1              run to the end and exit, instead of serving
#   make demo SITE=path/to/site   another city than the sample one
#   make demo PORT=8900           another port
#   make demo DEMO_DIR=path       where the demo keeps its database, sheets and summary

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

VENV := .venv
BIN := $(VENV)/bin
# A stamp is younger than what it was made from; while that holds, nothing is installed again.
MADE := $(VENV)/.made
INSTALLED := $(VENV)/.installed
TOX := $(VENV)/.tox-installed

.DEFAULT_GOAL := help
.PHONY: help demo serve test lint system departments bench kills power-cuts test-sm mutations stress restart clean

help: ## show this list
	@echo "Onedoor: what make can do here"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(INSTALLED) ## a whole city on this machine: 300 cases, every kind of department, faults, the proof that nothing was lost
	$(BIN)/onedoor demo $(if $(ONCE),--once) $(if $(SITE),--site "$(SITE)") $(if $(PORT),--port $(PORT)) $(if $(DEMO_DIR),--folder "$(DEMO_DIR)")

serve: $(INSTALLED) ## the hub itself, as it runs in a centre (needs settings and keys: docs/running.md)
	$(BIN)/onedoor serve $(if $(SITE),--site "$(SITE)") $(if $(PORT),--port $(PORT))

test: $(TOX) ## style, types, import rules, then every test that needs no system package, against the built wheel
	$(BIN)/tox run -e lint,py

lint: $(TOX) ## style, types and import rules only
	$(BIN)/tox run -e lint

system: $(TOX) ## power cuts, full disks, failing syncs, jumping clocks, alert rules (needs the packages of .ci/packages.txt)
	$(BIN)/tox run -e system

departments: $(TOX) ## departments whose software is not ours: SOAP by PHP, files by OpenSSH (needs the packages of .ci/packages.txt)
	$(BIN)/tox run -e departments

.PHONY: browser screenshots
browser: $(TOX) ## each role's day in a real browser, and every page's accessibility (needs the packages of .ci/packages.txt)
	$(BIN)/tox run -e browser

screenshots: $(TOX) ## the pictures of the pages in docs/screenshots, made anew
	SCREENSHOTS=$(CURDIR)/docs/screenshots $(BIN)/tox run -e browser -- tests/browser/test_pages.py tests/browser/test_paper.py

bench: $(INSTALLED) ## throughput, latency and memory beside a bare HTTP client, on this machine
	$(BIN)/python bench/soap_calls.py
	$(BIN)/python bench/sheets.py
	PYTHONPATH=. $(BIN)/python -m bench.files
	$(BIN)/python bench/run.py
	$(BIN)/python bench/pages.py

restart: $(INSTALLED) ## how long a hub that was killed needs to resume its first delivery, with a queue before it
	PYTHONPATH=. $(BIN)/python -m bench.restart

.PHONY: backlog
backlog: $(INSTALLED) ## start, claims and intake with a million deliveries waiting (BACKLOG=n), beside none; some ten minutes and 9 GB of disk
	BACKLOG=$(BACKLOG) PYTHONPATH=. $(BIN)/python -m bench.backlog

stress: $(TOX) ## outages, flapping, floods and restarts with 10000 deliveries (STRESS=n), in virtual time; the result goes to docs/results
	$(BIN)/tox run -e stress

day: $(INSTALLED) ## a weekday of a large city on a virtual clock: 38,500 cases (CASES=n, SEED=n); accounts and time go to docs/results
	CASES=$(CASES) SEED=$(SEED) PYTHONPATH=. $(BIN)/python -m bench.day

kills: $(TOX) ## the hub under load, killed 1000 times at random (KILLS=n for another number); the result goes to docs/results
	$(BIN)/tox run -e kills

test-sm: $(TOX) ## the unit and integration tests once more, on SM4-GCM and SM3
	$(BIN)/tox run -e sm

mutations: $(TOX) ## a sealed journal tampered with 10000 times, each found and named (MUTATIONS=n for another number), and the verifier's speed
	$(BIN)/tox run -e mutations

power-cuts: $(TOX) ## the disk of a hub under load without power, 5000 times (POWER_CUTS=n for another number; needs strace)
	$(BIN)/tox run -e power-cuts

clean: ## remove the environments, caches and builds (a demo's folder stays)
	rm -rf $(VENV) .tox build dist htmlcov .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(MADE):
	@test -n "$(PYTHON)" || { echo "Onedoor needs Python 3.11 or newer. Install it, or name it: make PYTHON=/path/to/python3 <target>" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "This Python cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@touch $@

$(INSTALLED): $(MADE) pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(TOX): $(MADE)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "tox>=4.30"
	@touch $@
