#!/usr/bin/env bash
# Set the environment up if needed, then style, types and tests. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
./tools/setup_env.sh
.venv/bin/ruff check .
.venv/bin/mypy
exec .venv/bin/python -m pytest "$@"
