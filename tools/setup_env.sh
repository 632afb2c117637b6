#!/usr/bin/env bash
# Make .venv at the root of the checkout, with everything the demo and the tests need. Does nothing when it is up to date.
set -euo pipefail
cd "$(dirname "$0")/.."
stamp=$(cat tools/constraints.txt setup.py package.xml | sha256sum | cut -d' ' -f1)
[ "$(cat .venv/.bevduet-stamp 2>/dev/null || true)" = "$stamp" ] && exit 0

python=""
for candidate in python3.11 python3.12 python3.10 python3; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))'; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || { echo "no Python 3.10-3.12 found; install it, on Debian or Ubuntu: sudo apt-get install python3 python3-venv" >&2; exit 1; }

if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "installing the system package python$version-venv with apt"
    sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -q && $sudo apt-get install -qy "python$version-venv"
fi

echo "setting up .venv with $("$python" --version) (a few minutes the first time)"
[ -x .venv/bin/python ] || "$python" -m venv .venv
pip() { .venv/bin/python -m pip --disable-pip-version-check "$@"; }
pip install -q -c tools/constraints.txt setuptools wheel
# torch first and alone: BEVDUET_TORCH_INDEX=https://download.pytorch.org/whl/cpu takes the smaller CPU build where pip would take CUDA's
pip install -q -c tools/constraints.txt ${BEVDUET_TORCH_INDEX:+--index-url "$BEVDUET_TORCH_INDEX"} torch
pip install -q -c tools/constraints.txt --no-build-isolation -e '.[test,sparse,pretrained]'
echo "$stamp" >.venv/.bevduet-stamp
