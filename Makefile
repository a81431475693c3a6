# counterpart: `make run` and `make test` need Python 3.10-3.12 (with venv), Java 17 or newer, and nothing else.
.DEFAULT_GOAL := help
.PHONY: help setup run test test-unit test-kernels check bench bench-ingest bench-matching clean

VENV    ?= .venv
MEMBERS ?= 100000
BIN     := $(VENV)/bin

# Planning a query keeps one core busy: two processes share the tests, each file, and all on the demo, in one of them.
TWO_AT_ONCE := -n 2 --dist loadscope --no-loadscope-reorder

# The environment made here is the one used here, whatever the shell has of Spark's and Python's.
unexport SPARK_HOME SPARK_CONF_DIR PYSPARK_PYTHON PYSPARK_DRIVER_PYTHON PYSPARK_SUBMIT_ARGS PYTHONPATH PYTHONHOME

# An index too far reads what lies beside an array, and says nothing.
KERNELS := $(addprefix tests/unit/test_,$(addsuffix .py,approximate greedy line match match_distances match_input pairing parts))

help:  ## what can be made
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do printf '  make %-14s %s\n' "$$name" "$$what"; done

setup: $(VENV)/.delta  ## environment, packages and Delta jars in .venv, from the network

run: setup  ## claims with a planted effect, the whole study, a summary (MEMBERS=100000)
	@$(BIN)/counterpart demo --members $(MEMBERS)

test: setup build/airflow/.installed  ## all tests but the benchmarks (fetches Airflow once)
	@$(BIN)/pytest -m "not bench and not scale" $(TWO_AT_ONCE)

test-unit: setup  ## the tests that need no Spark
	@$(BIN)/pytest tests/unit -m "not packaging"

test-kernels: setup  ## the tests of machine code with every index checked (two minutes)
	@NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=build/checked $(BIN)/pytest -q $(KERNELS) $(TWO_AT_ONCE)

check: setup  ## format, lint, types, layering
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/pytest -q tests/unit/test_layering.py

bench: setup  ## time, memory, bias and coverage over many seeds (an hour or more)
	@$(BIN)/pytest tests/bench -m "bench or scale" -s

bench-ingest: setup  ## a million members into the tables, beside DuckDB (a quarter of an hour)
	@$(BIN)/pytest tests/bench/test_ingest_race.py -m bench -s

bench-matching: setup build/peers/.installed  ## matching beside other libraries, up to 100 million controls (80 minutes)
	@$(BIN)/pytest tests/bench/test_matching_race.py tests/bench/test_large_table.py -m bench -s

# As where it is used: Airflow's packages and ours need not agree, and only the tests of the DAG want it here.
build/airflow/.installed:
	@$(BIN)/python -m venv build/airflow
	@if build/airflow/bin/python -m pip install --quiet --disable-pip-version-check 'apache-airflow>=3.1,<3.2'; \
	then touch $@; else rm -rf build/airflow; echo "Airflow does not install here: the tests of its DAG are left out"; fi

# The other libraries live in an environment of their own: they must not decide what is installed beside us.
build/peers/.installed:
	@$(BIN)/python -m venv build/peers
	@build/peers/bin/python -m pip install --quiet --disable-pip-version-check 'numpy<3' scikit-learn faiss-cpu
	@for peer in hnswlib causalml; do \
	  build/peers/bin/python -m pip install --quiet --disable-pip-version-check $$peer || echo "$$peer does not install here"; \
	done
	@touch $@

clean:  ## all that was made here: environment, caches, builds, demo
	rm -rf $(VENV) demo build dist lib/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An interpreter counts if it runs (version managers leave shims that fail), is 3.10 to 3.12 and can make environments.
USABLE := import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))

$(VENV)/.packages: setup.py
	@python=; for name in $(PYTHON) python3.11 python3.12 python3.10 python3; do \
	  if "$$name" -c '$(USABLE)' >/dev/null 2>&1; then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Python 3.10, 3.11 or 3.12 with its venv module is needed (Debian, Ubuntu: apt install python3 python3-venv)." >&2; \
	  echo "Found: $$(python3 --version 2>/dev/null || echo none). One elsewhere can be named: make setup PYTHON=/path/to/python3.11" >&2; \
	  exit 1; \
	fi; \
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=lib "$$python" -m counterpart.local_spark java || exit 1; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || "$$python" -m venv --clear $(VENV)
	@echo "Installing counterpart and what it needs into $(VENV) (some 2 minutes, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=24'
	@$(BIN)/python -m pip install --quiet --editable '.[local,dev]'
	@touch $@

$(VENV)/.delta: $(VENV)/.packages lib/counterpart/local_spark.py
	@$(BIN)/python -m counterpart.local_spark install
	@$(BIN)/python -m counterpart.matching
	@touch $@
