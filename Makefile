# Every target sets up what it needs. PYTHON may name another interpreter (>= 3.11).
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
export PYTHONUNBUFFERED := 1

.PHONY: demo install install-dev test test-slow bench lint types clean

demo: .venv/.installed
	$(BIN)/python scripts/demo.py

install: .venv/.installed

install-dev: .venv/.installed-dev

test: lint types
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist worksteal --durations 15

test-slow: .venv/.installed-dev
	$(BIN)/python -m pytest -m slow --durations 0

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.installed-dev
	$(BIN)/pyright

bench: .venv/.installed-dev
	$(BIN)/python scripts/bench/run.py --quick

.venv/.created:
	@echo "Creating .venv"
	$(PYTHON) -m venv .venv
	@touch $@

# torch alone first, so that its pinned build is settled before anything asks for "torch".
.venv/.installed: .venv/.created pyproject.toml constraints.txt
	@echo "Installing sntorch with pinned dependencies (about two minutes)"
	$(PIP) install -c constraints.txt torch
	$(PIP) install --prefer-binary -c constraints.txt -e .
	@touch $@

.venv/.installed-dev: .venv/.installed
	@echo "Installing what the tests need"
	$(PIP) install --prefer-binary -c constraints.txt -e ".[dev,astro]"
	@touch $@

clean:
	rm -rf .venv outputs dist build
