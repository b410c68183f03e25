#!/usr/bin/env bash
# Makes an environment with MMDetection3D beside the first one, and runs the tests of the bridge in
# it: pytest's arguments may follow. `make test-bridge` calls this after `make install`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

first="${VENV:-.venv}"
second="$first-mmdet3d"
torch="$("$first/bin/python" -c '
import importlib.metadata
print(importlib.metadata.version("torch").partition("+")[0])')"

[ -x "$second/bin/python" ] || "$first/bin/python" -m venv "$second"
# The tested versions, but for numpy, of which MMDetection3D needs an older one, and torch.
constraints="$second/.constraints.txt"
grep -Ev '^(numpy|torch)==' requirements/constraints.txt > "$constraints"
wanted="torch==$torch $(cat "$constraints" requirements/{mminstall,runtime}.txt tools/test_bridge.sh | cksum)"
if [ "$(cat "$second/.installed" 2> /dev/null)" != "$wanted" ]; then
    # One call, so that pip weighs all pins together. Most of what comes along is never imported,
    # so nothing is compiled to bytecode ahead of time.
    "$second/bin/python" -m pip install --quiet --only-binary :all: --no-compile \
        -c "$constraints" "torch==$torch" -r requirements/mminstall.txt -r requirements/runtime.txt \
        'pytest>=8' 'hypothesis>=6.100' 'setuptools>=68'
    "$second/bin/python" -m pip install --quiet --no-deps --no-build-isolation -e .
    # As in the Makefile: the usual OpenCV needs libGL. Both are there, and share their files.
    "$second/bin/python" -c 'import cv2' 2> /dev/null || {
        headless="$("$second/bin/python" -m pip freeze | grep '^opencv-python-headless==')"
        "$second/bin/python" -m pip uninstall --quiet --yes opencv-python
        "$second/bin/python" -m pip install --quiet --only-binary :all: --no-deps \
            --force-reinstall "$headless"
    }
    echo "$wanted" > "$second/.installed"
fi

exec "$second/bin/python" -m pytest tests/test_bridges "$@"
