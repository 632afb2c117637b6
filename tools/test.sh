#!/usr/bin/env bash
# Set the environment up if needed, then style, types and tests. Arguments go to pytest, which then runs in one process.
set -euo pipefail
cd "$(dirname "$0")/.."
./tools/setup_env.sh
.venv/bin/ruff check .
if [ $# -gt 0 ]; then
    .venv/bin/mypy
    exec .venv/bin/python -m pytest "$@"
fi
# Files are shared out to the cores. mypy, which needs one of them for a minute, is among them: tests/test_house.py runs it.
# Tests of the nodes, which answer in real time, have the machine to themselves.
.venv/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --ignore=tests/ros
exec .venv/bin/python -m pytest tests/ros
