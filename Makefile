# One word per check; the same words in CI. Everything lives in .venv; nothing outside this directory is changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo test test-gpu check format lock clean

setup: $(READY)

# uv comes first, from the same lock, because it installs the rest in half a minute where pip takes three. It leaves
# compiling to the first import, and where PYTHONDONTWRITEBYTECODE is set (as in many images) to every import of every
# stage: TensorFlow's then takes ten seconds in place of five. So it is done once, here.
$(READY): requirements.lock pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}; name another with make PYTHON=...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@awk '/^[^ #]/ {on = /^uv==/} on' requirements.lock > $(VENV)/uv.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q -j 0 -x '/tests/' $(VENV)/lib > /dev/null || true  # an odd file of a third party is no obstacle
	@touch $@

# A demo that is there already stays: the next one gets a number.
demo: setup
	@name=demo; number=1; while [ -e $$name ]; do number=$$((number + 1)); name=demo-$$number; done; \
	$(BIN)/ssgan demo --example cancer $$name

# Two at a time: what waits for other programs beside what computes. The second one's report comes when the first is done.
test: setup
	@log=$$(mktemp); \
	$(BIN)/python -m pytest tests/flows tests/serving tests/resume tests/docs > $$log 2>&1 & second=$$!; \
	trap 'kill $$second 2> /dev/null' INT TERM; \
	$(BIN)/python -m pytest tests/unit tests/property tests/gpu; first=$$?; \
	wait $$second; status=$$?; cat $$log; rm -f $$log; \
	exit $$((first + status))

# On the backend that KERAS_BACKEND names, JAX where it names none. Without an accelerator each test says that it is skipped.
test-gpu: setup
	KERAS_BACKEND=$${KERAS_BACKEND:-jax} $(BIN)/python -m pytest -rs tests/gpu

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --extra test pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV)
