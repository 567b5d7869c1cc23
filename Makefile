# Two commands do all set-up: `make demo` and `make test`.
VENV := .venv
PY := $(VENV)/bin/python
BASE_PYTHON ?= python3
export OMP_NUM_THREADS ?= 1

.PHONY: setup demo test check bench clean

setup: $(VENV)/.ready

# One path for every machine: the range of torch in pyproject.toml lets pip take a CPU build where its own
# configuration offers one, and the index's CUDA build elsewhere (docs/architecture/01-torch.md).
$(VENV)/.ready: pyproject.toml requirements/iac-code.txt
	@$(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "garret needs python3 >= 3.11; this is $$($(BASE_PYTHON) --version). Try: make $(MAKECMDGOALS) BASE_PYTHON=python3.12"; exit 1; }
	@$(BASE_PYTHON) -m venv $(VENV) 2>/dev/null || \
	  { echo "python3 cannot make a virtual environment here. Try: apt-get install python3-venv"; exit 1; }
	@echo "Setting up .venv. The first time takes minutes, nearly all of it installing torch and diffusers (about 1.5 GB)."
	@env -u PYTHONDONTWRITEBYTECODE $(PY) -m pip install --quiet --disable-pip-version-check --editable '.[service,dev]'
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --requirement requirements/iac-code.txt
	@touch $@

demo: setup
	@$(VENV)/bin/garret deploy --cloud local --region cn-hangzhou --instance-type ecs.gn7i-c16g1.4xlarge --yes --picture demo.png

check: setup
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

test: setup check
	$(PY) -m pytest -q

bench: setup
	$(PY) -m benchmarks

clean:
	rm -rf $(VENV)
