# make run    install what Treadle needs into .venv and start it     (options: make run ARGS="--port 5002")
# make test   install what the tests need too, Chromium included, and run them all
# make soak   the same tests with their full counts                  make bench  the figures beside their baselines
# make lint   ruff and mypy        make pins  pin the newest versions   make screenshots  draw docs/*.png anew

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes
TEST := $(BIN)/python -m pytest -q
# what measures how long things take runs after the others, alone; the others wait more than they work
ALONE := $(wildcard tests/faults/test_stream*.py) tests/faults/test_shutdown.py tests/faults/test_authors.py
PARALLEL := $(TEST) --numprocesses 4 --dist loadfile $(addprefix --ignore ,$(ALONE))

.PHONY: run test soak bench lint pins screenshots chromium mutants
.DELETE_ON_ERROR:

run: $(VENV)/run.stamp
	@exec $(BIN)/python server.py $(ARGS)

test: $(VENV)/test.stamp chromium
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@status=0; $(PARALLEL) $(ARGS) || status=$$?; $(TEST) $(ALONE) $(ARGS) || status=$$?; exit $$status

soak: $(VENV)/test.stamp chromium
	@TREADLE_SOAK=1 $(TEST) $(ARGS)

# each gating invariant is seen to fail against a deliberately broken version
mutants: $(VENV)/test.stamp chromium
	@$(BIN)/python -m tests.mutants $(ARGS)

bench: $(VENV)/test.stamp chromium
	@$(BIN)/python -m bench $(ARGS)

lint: $(VENV)/test.stamp
	@$(BIN)/ruff check . && $(BIN)/mypy

screenshots: $(VENV)/test.stamp chromium
	@$(BIN)/python -m docs.screenshots

pins: $(VENV)/run.stamp
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  requirements.in -o requirements.txt
	@$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  -c requirements.txt requirements-test.in -o requirements-test.txt

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Treadle needs Python 3.11 or newer; name one with: make run PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "This Python cannot make a virtual environment; on Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements.txt | $(BIN)/python
	@echo "Installing what Treadle needs into $(VENV), once."
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/test.stamp: requirements.txt requirements-test.txt | $(BIN)/python
	@echo "Installing what the tests need into $(VENV), once."
	@$(PIP) -r requirements-test.txt
	@touch $@ $(VENV)/run.stamp

chromium:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  echo "Installing Chromium for the browser tests, once." && \
	  apt-get -qq update >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y chromium >/dev/null; } || \
	  { echo "The browser tests need Chromium; on Debian: sudo apt install chromium" >&2; exit 1; }
