# `make demo` and `make test` are all that a new user needs; both install what they use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
STAGE := .cache/stage
UV := .cache/uv/bin/uv
TRAIN_PIP := .venv-train/bin/python -m pip install --quiet

.PHONY: demo docs-pictures test test-map test-service test-viewer lint lock bench bench-map test-workshop workshop clean

demo: $(VENV)/.runtime
	$(BIN)/lesionmap sample $(DEMO)/in
	$(BIN)/lesionmap run $(DEMO)/in $(DEMO)/out

# The two pictures of the README, from what the shipped models find in the phantom study.
docs-pictures: demo
	$(BIN)/python docs/pictures.py $(DEMO)/out docs

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --ignore tests/workshop --ignore tests/map \
		--ignore tests/service/storms --ignore tests/viewer

# Builds and runs the MAP image; starts a container engine where none runs, and ends it.
test-map: $(VENV)/.dev
	tests/map/install.sh
	$(BIN)/python -m pytest tests/map

# Storms over the service: kill -9 during 100 sends, 1,000 objects out of order.
test-service: $(VENV)/.dev
	$(BIN)/python -m pytest tests/service/storms

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	mkdir -p $(STAGE)/lesionmap
	ln -sfn ../../../app $(STAGE)/lesionmap/app
	ln -sfn ../../../operators $(STAGE)/lesionmap/operators
	ln -sfn ../../../models $(STAGE)/lesionmap/models
	cd $(STAGE) && MYPYPATH=. ../../$(BIN)/mypy --config-file ../../pyproject.toml -p lesionmap
	PYTHONPATH=$(STAGE) $(BIN)/lint-imports

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/end_to_end.py

# Size, seconds and memory of the image beside that of the unadapted packager.
bench-map: $(VENV)/.dev
	tests/map/install.sh
	PYTHONPATH=. $(BIN)/python benchmarks/container.py

# The run time with the hash of every file, for all versions of Python that are supported.
lock: $(UV)
	$(UV) pip compile requirements.txt --quiet --universal --python-version 3.11 \
		--generate-hashes --no-header --output-file requirements/lock.txt
	$(MAKE) $(VENV)/.dev
	$(BIN)/lesionmap map documents .cache/documents
	cp .cache/documents/licences.md docs/licences.md

$(UV):
	$(PYTHON) -m venv .cache/uv
	.cache/uv/bin/python -m pip install --quiet uv==0.13.9

# Orthanc, OHIF and Chromium on loopback: the whole way of a study, and what a person sees.
test-viewer: $(VENV)/.viewer
	tests/viewer/install.sh .cache/viewer
	$(BIN)/python -m pytest --basetemp .cache/viewer/tmp tests/viewer

$(VENV)/.viewer: $(VENV)/.dev requirements/viewer.txt
	$(BIN)/python -m pip install --quiet --requirement requirements/viewer.txt
	touch $@

# The workshop: training, export and quantisation, in an environment of its own.
workshop: .venv-train/.ready

test-workshop: .venv-train/.ready
	.venv-train/bin/python -m pytest tests/workshop

# The order matters: see requirements/README.md.
.venv-train/.ready: requirements/train.txt requirements/train-no-deps.txt pyproject.toml
	test -x .venv-train/bin/python || $(PYTHON) -m venv .venv-train
	$(TRAIN_PIP) torch==2.13.0 "setuptools<81" wheel
	$(TRAIN_PIP) --requirement requirements/train.txt
	$(TRAIN_PIP) --no-deps --requirement requirements/train-no-deps.txt
	SAM2_BUILD_CUDA=0 $(TRAIN_PIP) --no-deps --no-build-isolation sam2==1.1.0
	$(TRAIN_PIP) --no-deps --editable .
	touch $@

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.runtime: $(VENV)/bin/python requirements/lock.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/lock.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt requirements/packaging.txt requirements/serve.txt
	$(BIN)/python -m pip install --quiet --requirement requirements/dev.txt
	touch $@

clean:
	rm -rf $(VENV) .venv-train .cache $(DEMO)
