# Two commands: `make demo` and `make test`. Each does its own set-up; the second time it is quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test slow lint setup clean

demo: $(STAMP)
	$(BIN)/python -m jobs.demo.run

test: $(STAMP)
	$(BIN)/python -m pytest -m "not slow and not clean" -n 2 --dist loadfile $(ARGS)

slow: $(STAMP)
	$(BIN)/python -m pytest -m "slow or clean" $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] <= (3, 12), "recuse needs Python 3.11 or 3.12; found %d.%d. Try: make PYTHON=python3.11" % sys.version_info[:2]'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[build,dev,demo]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) demo
