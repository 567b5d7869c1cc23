# Two commands do all set-up: `make demo` and `make test`.
VENV := .venv
PY := $(VENV)/bin/python
BASE_PYTHON ?= python3
# Compiled modules are written although PYTHONDONTWRITEBYTECODE may be set: without them each start takes seconds longer.
PIP := env -u PYTHONDONTWRITEBYTECODE $(PY) -m pip install --quiet --disable-pip-version-check
export OMP_NUM_THREADS ?= 1
# Test files go side by side: most of their time is waiting for programs to start.
TEST_WORKERS ?= 3

.PHONY: setup demo test e2e check bench fuzz lock clean

setup: $(VENV)/.ready

# One path for every machine: the range of torch in pyproject.toml lets pip take a CPU build where its own
# configuration offers one, and the index's CUDA build elsewhere (docs/architecture/01-torch.md).
$(VENV)/.ready: pyproject.toml requirements/iac-code.txt
	@$(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "garret needs python3 >= 3.11; this is $$($(BASE_PYTHON) --version). Try: make $(MAKECMDGOALS) BASE_PYTHON=python3.12"; exit 1; }
	@$(BASE_PYTHON) -m venv $(VENV) || \
	  { echo "No virtual environment could be made in $(VENV); on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Setting up .venv: about 1.5 GB, nearly all of it torch and diffusers. The first time takes minutes."
	@$(PIP) --editable '.[service,dev]'
	@$(PIP) --no-deps --requirement requirements/iac-code.txt
	@touch $@
	@echo ".venv is ready."

demo: setup
	@$(VENV)/bin/garret deploy --cloud local --region cn-hangzhou --instance-type ecs.gn7i-c16g1.4xlarge --yes --picture demo.png

check: setup
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

test: setup check
	@command -v openssl >/dev/null || { echo "The tests make certificates with openssl: apt-get install openssl"; exit 1; }
	$(PY) -m pytest -q -rs -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder -m 'not e2e'

# All that the page can do, in Debian's Chromium: every tab, both languages, phone and desktop. Its core is in `make test`.
e2e: setup
	@sh .ci/install
	$(PY) -m pytest -q -rs -n $(TEST_WORKERS) --dist loadfile -m e2e tests/page

bench: setup
	$(PY) -m benchmarks

# Schemathesis over a live service that speaks every dialect; for as many minutes as are said.
MINUTES ?= 10
fuzz: setup
	$(PY) -m tests.service_runtime.api.fuzzing --minutes $(MINUTES)

# The hashed locks of what nodes install, made anew from the ranges in pyproject.toml; takes seconds, downloads no wheel
# but torch's CPU build.
lock: setup
	@$(PIP) 'uv>=0.13,<1' packaging
	$(PY) requirements/make_locks.py

clean:
	rm -rf $(VENV)
