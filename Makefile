# make demo   segment the bundled scan in all six ways
# make test   lint and run the tests
# make lint   lint only
#
# PYTHON=python3.12 make demo     with another Python (3.10 or newer)
# VENV=/path make demo            with another environment folder

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Wheels only: nothing is ever compiled on your machine. Newer packages than the tested ones are
# kept out by the constraints.
INSTALL := $(BIN)/python -m pip install --quiet --only-binary :all: -c requirements/constraints.txt

DEMO_SCAN := unison3d/assets/sample_room.ply
DEMO_OUT := work_dirs/demo
# Made for the bundled scan; tools/make_sample_scan.py proposes others.
DEMO_CLICK := 2.50,1.05,0.46
DEMO_TEXT := the bed closest to the whiteboard
DEMO_VOCABULARY := wall,floor,bed,desk,chair,bookshelf,refrigerator,whiteboard,monitor,stool,door

.PHONY: demo test lint install clean

demo: $(VENV)/.runtime
	$(BIN)/unison3d infer $(DEMO_SCAN) --out $(DEMO_OUT) --overwrite --picture \
	    --click=$(DEMO_CLICK) --text "$(DEMO_TEXT)" --vocabulary "$(DEMO_VOCABULARY)"
	@echo
	@echo 'Look at $(DEMO_OUT)/overview.png, or open the .ply files in any viewer. Next:'
	@echo '  source $(BIN)/activate'
	@echo '  unison3d infer my_scan.ply --out out/'
	@echo '  unison3d infer my_scan.ply --out out2/ --text "the chair next to the table"'
	@echo '  unison3d doctor'

test: $(VENV)/.tests
	$(BIN)/python -m ruff check .
	$(BIN)/python -m pytest

lint: $(VENV)/.tests
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

install: $(VENV)/.runtime

clean:
	rm -rf $(VENV) build *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	    || { echo '$(PYTHON) is older than 3.10; set PYTHON=python3.x'; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(BIN)/python setup.cfg pyproject.toml $(wildcard requirements/*.txt)
	$(INSTALL) -r requirements/runtime.txt -r requirements/text.txt 'setuptools>=68'
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	# OpenCV comes with MMEngine; its usual wheel needs libGL, which servers and containers lack.
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { \
	    echo 'No libGL here: taking the headless OpenCV.'; \
	    $(BIN)/python -m pip uninstall --quiet --yes opencv-python; \
	    $(INSTALL) --no-deps opencv-python-headless; }
	@touch $@

$(VENV)/.tests: $(VENV)/.runtime
	$(INSTALL) -r requirements/tests.txt
	@touch $@
