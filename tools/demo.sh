#!/usr/bin/env bash
# Sets the environment up if needed, then runs `bevduet demo` with the same arguments: a simulated drive on which sensors die and come
# back, as one HTML page. `tools/demo.sh --help` lists the options.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/tools/setup_env.sh"
exec "$root/.venv/bin/bevduet" demo "$@"
