# make demo   segment the bundled scan in all six ways
# make test   lint and run the tests
# make lint   lint only
# make docs   build the site into work_dirs/docs; open index.html there
# make test-bridge   install MMDetection3D in an environment of its own, test the bridge to it
#
# PYTHON=python3.12 make demo     with another Python (3.10 or newer)
# VENV=/path make demo            with another environment folder
# TORCH=2.8.0 make demo           with another torch than the tested one
# TORCH=keep VENV=/path make demo with the torch that is in that environment already
# CONSTRAINTS= make demo          with the newest packages instead of the tested ones
#
# pip follows its own settings as well, such as PIP_EXTRA_INDEX_URL for builds of torch for a GPU.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CONSTRAINTS ?= requirements/constraints.txt
# Empty: the torch of the constraints. `keep`: whatever is there, or the newest. Else a version.
TORCH ?=
# The constraints in force. A change of the settings above changes this file, and so installs anew.
IN_FORCE := $(VENV)/.constraints.txt
# Wheels only: nothing is ever compiled on your machine.
INSTALL := $(BIN)/python -m pip install --quiet --only-binary :all: -c $(IN_FORCE)

DEMO_SCAN := unison3d/assets/sample_room.ply
DEMO_OUT := work_dirs/demo
# Made for the bundled scan; tools/make_sample_scan.py proposes others.
DEMO_CLICK := -2.05,-4.53,0.52
DEMO_TEXT := the red bed
DEMO_VOCABULARY := wall,floor,bed,counter,armchair,sofa,kitchen cabinet,door,tv stand,window,chair,recycling bin

.PHONY: demo test test-bridge lint docs install clean FORCE

demo: $(VENV)/.runtime
	$(BIN)/unison3d infer $(DEMO_SCAN) --out $(DEMO_OUT) --overwrite --picture \
	    --click=$(DEMO_CLICK) --text "$(DEMO_TEXT)" --vocabulary "$(DEMO_VOCABULARY)"
	@echo
	@echo 'Look at $(DEMO_OUT)/overview.png, or open the .ply files in any viewer. Next:'
	@echo '  source $(BIN)/activate'
	@echo '  unison3d infer my_scan.ply --out out/'
	@echo '  unison3d infer my_scan.ply --out out2/ --text "the chair next to the table"'
	@echo '  unison3d doctor'

test: lint
	$(BIN)/python -m pytest

# The first environment says which torch to take.
test-bridge: $(VENV)/.runtime
	VENV=$(VENV) tools/test_bridge.sh

lint: $(VENV)/.tests
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

# A warning is an error: a link that leads nowhere, a docstring that cannot be read.
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -q -W --keep-going -c docs -d work_dirs/docs_cache . work_dirs/docs
	@echo 'The site: work_dirs/docs/index.html'

install: $(VENV)/.runtime

clean:
	rm -rf $(VENV) $(VENV)-mmdet3d build *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	    || { echo '$(PYTHON) is older than 3.10; set PYTHON=python3.x'; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(IN_FORCE): $(BIN)/python $(CONSTRAINTS) FORCE
	@{ sed -e '$(if $(TORCH),/^torch==/d)' $(or $(CONSTRAINTS),/dev/null) && \
	    $(if $(filter-out keep,$(TORCH)),echo 'torch==$(TORCH)',:); } > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(VENV)/.runtime: $(IN_FORCE) setup.py setup.cfg pyproject.toml $(wildcard requirements/*.txt)
	$(INSTALL) -r requirements/runtime.txt -r requirements/text.txt 'setuptools>=68'
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	# OpenCV comes with MMEngine; its usual wheel needs libGL, which servers and containers lack.
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { \
	    echo 'No libGL here: taking the headless OpenCV.'; \
	    $(BIN)/python -m pip uninstall --quiet --yes opencv-python; \
	    $(INSTALL) --no-deps opencv-python-headless; }
	@touch $@

$(VENV)/.tests: $(VENV)/.runtime
	$(INSTALL) -r requirements/tests.txt -r requirements/lidar.txt \
	    -r requirements/viewer.txt -r requirements/cluster.txt
	@touch $@

$(VENV)/.docs: $(VENV)/.runtime
	$(INSTALL) -r requirements/docs.txt
	@touch $@
