# Everything a user or a developer runs. `make` alone lists the targets.
JOBS ?= $(shell nproc)
PYTHON_BIN := .venv/bin/python
CORPUS := .cache/corpus
DEMO_FLAGS ?=
PYTEST_FLAGS ?=
ROWS := build/programs.jsonl
export CTEST_OUTPUT_ON_FAILURE := 1
# A test that audits must not be fed the settings of the developer's own shell.
unexport HEADRACE_DIR HEADRACE_SHIM PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help setup build demo corpus test test-slow unit bench accuracy programs lint format clean
.DELETE_ON_ERROR:
.SECONDARY:

help: ## List the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: build corpus ## Set up, build, and audit a real training program (examples/train_resnet.py)
	.venv/bin/headrace audit -- $(PYTHON_BIN) examples/train_resnet.py --data $(CORPUS) \
		--out .cache/demo $(DEMO_FLAGS)

test: TIDY_FLAGS := --no-analyzer
test: lint unit ## Set up, build, and run the fast set of all tests
	tools/run_tests $(JOBS) "not slow" $(PYTEST_FLAGS)

test-slow: lint unit-release unit ## The fast set and the slow one: kills, soaks, full tables
	tools/run_tests $(JOBS) "slow or not slow" $(PYTEST_FLAGS)

bench: build corpus ## Run every benchmark of bench/
	@set -e; for question in bench/*/run.py; do echo "== $$question"; $(PYTHON_BIN) $$question; done

accuracy: build corpus ## Compare what audits predict with runs that have the fix (an hour and a half)
	$(PYTHON_BIN) bench/accuracy/run.py

# The page shows what failed or was not run; the exit code is pytest's, otherwise the page's.
programs: build ## Run every test program anew and write docs/programs.md from what was measured
	@rm -f $(ROWS)
	@HEADRACE_ROWS=$(abspath $(ROWS)) tools/run_tests $(JOBS) row $(PYTEST_FLAGS); tests=$$?; \
		test -e $(ROWS) || exit $$tests; \
		$(PYTHON_BIN) tools/programs_page.py $(ROWS) >build/programs.md; page=$$?; \
		test -s build/programs.md && mv build/programs.md docs/programs.md; \
		test $$tests -eq 0 || exit $$tests; exit $$page

lint: setup build/tidy/build.ninja ## clang-format, clang-tidy, ruff, mypy, layers and sizes
	tools/check_layers
	tools/check_sizes
	clang-format --dry-run -Werror $$(tools/sources c++)
	tools/tidy --jobs $(JOBS) $(TIDY_FLAGS)
	$(PYTHON_BIN) -m ruff check --quiet
	$(PYTHON_BIN) -m ruff format --check --quiet
	$(PYTHON_BIN) -m mypy
	@set -e; for suite in $(sort $(dir $(wildcard tests/*/*.py))); do $(PYTHON_BIN) -m mypy $$suite; done

format: setup ## Format all sources
	clang-format -i $$(tools/sources c++)
	$(PYTHON_BIN) -m ruff check --quiet --fix-only
	$(PYTHON_BIN) -m ruff format

clean: ## Remove what was built; .venv and the photo corpus stay
	rm -rf build dist .ruff_cache .pytest_cache .hypothesis

setup:
	@tools/setup

# The release build, installed into .venv by the rules that the wheel has too.
build: build/release/build.ninja
	@cmake --build build/release -j $(JOBS) --target headrace headrace_recorder
	@cmake --install build/release --prefix .venv >build/release/install.log || { cat build/release/install.log; exit 1; }

corpus: setup
	@$(PYTHON_BIN) tools/make_corpus.py --count 2000 --out $(CORPUS) --seed 1 --procs $(JOBS)

# The sanitizers look at all but the recorder, which rides in a Python that is not built with them.
unit: build unit-asan unit-tsan ## Build, and run the unit tests under the sanitizers

unit-%: build/%/build.ninja
	@cmake --build build/$* -j $(JOBS) --target unit_tests
	@ctest --test-dir build/$* -j $(JOBS)

# Configured once: ninja itself sees changes of the CMake files and new sources.
build/%/build.ninja: CMakePresets.json .venv/.headrace-setup
	@mkdir -p build
	@rm -f build/$*/CMakeCache.txt
	cmake --preset $* >build/$*.log 2>&1 || { cat build/$*.log; exit 1; }
	@touch $@

# Changes when .venv was made or changed, and only then.
.venv/.headrace-setup: setup ;
