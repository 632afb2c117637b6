#!/usr/bin/env bash
# Build tf2_msgs and vision_msgs, which have no wheels, into the environment beside the ROS wheels: tools/build_ros_interfaces.sh [VENV]
# Needs cmake, a C++ compiler and Python's headers. A package whose message is there already is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$(cd "${1:-.venv}" && pwd)
python=$venv/bin/python
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
libs=$(printf '%s:' "$venv/lib" "$site"/ros_*.libs)
export PATH=$venv/bin:$PATH LD_LIBRARY_PATH=${libs%:}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
export AMENT_PREFIX_PATH=$venv CMAKE_PREFIX_PATH=$venv

# The wheels' CMake files name the headers of the machine that built them; name those of this one.
"$python" - "$venv" <<'PY'
import re, sys, sysconfig
from pathlib import Path
import numpy

here = {r"/opt/python/[^;\"\s]*/site-packages/numpy/(?:_core|core)/include": numpy.get_include(),
        r"/opt/python/[^;\"\s/]*/include/python3\.\d+": sysconfig.get_path("include")}
for path in Path(sys.argv[1], "share").glob("*/cmake/*.cmake"):
    text = old = path.read_text(encoding="utf-8")
    for pattern, replacement in here.items():
        text = re.sub(pattern, lambda _: replacement, text)
    if text != old:
        path.write_text(text, encoding="utf-8")
PY

build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
for source in tools/ros_interfaces/*/; do
    name=$(basename "$source")
    digest=$(find "$source" -type f | LC_ALL=C sort | xargs cat | sha256sum | cut -d' ' -f1)
    [ "$(cat "$venv/share/$name/.bevduet-digest" 2>/dev/null || true)" = "$digest" ] && continue
    echo "building $name"
    log=$build/$name.log
    { cmake -S "$source" -B "$build/$name" -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$venv" -DPython3_EXECUTABLE="$python" \
          -DBUILD_TESTING=OFF && cmake --build "$build/$name" --parallel "$(nproc)" && cmake --install "$build/$name"; } >"$log" 2>&1 ||
        { tail -n 40 "$log" >&2; echo "building $name failed; its last lines are above" >&2; exit 1; }
    echo "$digest" >"$venv/share/$name/.bevduet-digest"
done
