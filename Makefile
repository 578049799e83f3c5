# Commands for developers and CI. Everything is installed into .venv from the lock files.
PYTHON ?= python3
BIN := .venv/bin
PROTO_IMAGE := build/seatline.binpb

# Keep compiled modules, also where a CI image asks Python not to: every command starts twice as fast.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test test-long test-fast simulate check bench proto proto-release docs observability lock clean

# Start the service with its own MongoDB, create the sample train, book a first ticket, and serve until Ctrl-C. The address is
# SEATLINE_LISTEN.
run: .venv/run-installed
	@$(BIN)/seatline quickstart --own-terminal

# Tests wait for processes and databases more than they compute, so several run in parallel. Tests of one file share their fixtures;
# the longest tests come first.
TEST_PROCESSES := 3
test: .venv/dev-installed
	$(BIN)/pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

# The same tests with full counts and real waits (tests/support/long_mode.py): takes an hour or more. TESTS selects a file or folder.
TESTS := tests
test-long: .venv/dev-installed
	SEATLINE_TEST_LONG=1 $(BIN)/pytest $(TESTS)

# Only tests that start no mongod and no process.
test-fast: .venv/dev-installed
	$(BIN)/pytest tests/unit tests/test_layers.py

# Simulate a hundred thousand histories of servers, workers and passengers, each from a seed, with injected faults.
simulate: .venv/dev-installed
	$(BIN)/python -m tests.simulation.run --count 100000

check: .venv/dev-installed .venv-scan/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python proto/generate.py --image $(PROTO_IMAGE)
	cd proto && ../$(BIN)/buf format --diff --exit-code --exclude-path google .
	$(BIN)/buf lint $(PROTO_IMAGE) --config proto/buf.yaml --exclude-path google
	$(BIN)/buf breaking $(PROTO_IMAGE) --against proto/released.binpb --config proto/buf.yaml --exclude-path google
	$(BIN)/python -m tests.phrases
	$(BIN)/pytest -q tests/test_layers.py tests/docs tests/alerts tests/chart tests/e2e/test_prometheus.py
	$(BIN)/python -m tests.chart.rendering build/chart
	.venv-scan/bin/checkov --directory build/chart --config-file deploy/helm/checkov.yaml
	$(BIN)/hadolint Dockerfile
	.venv-scan/bin/checkov --framework dockerfile --skip-download --quiet --compact --file Dockerfile
	.venv-scan/bin/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml

bench: .venv/dev-installed
	$(BIN)/python -m tests.bench.run

# Generate the Python stubs under app/pb; after a change of proto/.
proto: .venv/dev-installed
	$(BIN)/python proto/generate.py

# Write the generated parts of the documents; after a change of settings, metrics, alerts or states.
docs: .venv/dev-installed
	$(BIN)/python docs/generate.py

# Generate the dashboard and the alerts; after a change of deploy/observability.
observability: .venv/dev-installed
	$(BIN)/python -m deploy.observability.generate

# Record the released contract; after a release. `make check` compares later versions with it.
proto-release: .venv/dev-installed
	$(BIN)/python proto/generate.py --image proto/released.binpb

# Write the lock files; after a change of dependencies in pyproject.toml. Only this target needs `uv`. The constraint gives the image
# the versions that the tests ran on, without the trial's mongod. The scanner's lock file is independent.
UV_COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header
lock:
	$(UV_COMPILE) pyproject.toml --extra trial --extra dev --group package --output-file requirements-dev.lock
	$(UV_COMPILE) pyproject.toml --extra trial --group package --constraint requirements-dev.lock --output-file requirements.lock
	$(UV_COMPILE) pyproject.toml --extra stripe --extra mail --constraint requirements-dev.lock --output-file requirements-image.lock
	$(UV_COMPILE) --group build --constraint requirements-dev.lock --output-file requirements-build.lock
	$(UV_COMPILE) --group scan --output-file requirements-scan.lock

clean:
	rm -rf .venv .venv-scan build .mypy_cache .ruff_cache .pytest_cache *.egg-info

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv

# Install the packages of a lock file, and this package without its dependencies. The target file stores checksums of its sources, so
# that a change of a file's time alone installs nothing. The build uses the locked setuptools; only locked packages are fetched.
define INSTALL
	@if sha256sum --check --status $@ 2>/dev/null; then touch $@; else \
	echo "Installing the packages of $< into .venv. The first time takes a minute or two." && \
	$(BIN)/pip install --disable-pip-version-check --require-hashes -r $< && \
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-index --no-build-isolation --editable . && \
	sha256sum $^ > $@; fi
endef

.venv/run-installed: requirements.lock pyproject.toml | .venv/bin/python
	$(INSTALL)

.venv/dev-installed: requirements-dev.lock pyproject.toml | .venv/bin/python
	$(INSTALL)

# The scanner of Dockerfile and chart, in its own environment: it pins older versions than ours.
.venv-scan/installed: requirements-scan.lock
	$(PYTHON) -m venv .venv-scan
	.venv-scan/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-scan.lock
	touch $@
