#!/usr/bin/env bash
# Make .venv at the root of the checkout, with everything the demo, the tests and the ROS 2 nodes need. Does nothing when it is up to date.
set -euo pipefail
cd "$(dirname "$0")/.."

BUILD_TOOLS=(cmake make c++)  # for the two message packages that have no wheel
# Tools that are present count too: a machine that gets a compiler later is set up again, with the messages.
stamp() {
    { cat tools/constraints.txt setup.py package.xml tools/setup_env.sh tools/build_ros_interfaces.sh
      find tools/ros_interfaces -type f | LC_ALL=C sort | xargs cat
      for tool in "${BUILD_TOOLS[@]}"; do if command -v "$tool" >/dev/null; then echo "$tool"; fi; done; } | sha256sum | cut -d' ' -f1
}
[ "$(cat .venv/.bevduet-stamp 2>/dev/null || true)" = "$(stamp)" ] && exit 0

apt_install() {
    echo "installing the system packages $* with apt"
    local sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -q && $sudo apt-get install -qy "$@"
}

python=""
for candidate in python3.11 python3.12 python3.10 python3; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))'; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || { echo "no Python 3.10-3.12 found; install it, on Debian or Ubuntu: sudo apt-get install python3 python3-venv" >&2; exit 1; }
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')

"$python" -c 'import ensurepip' 2>/dev/null || apt_install "python$version-venv"

echo "setting up .venv with $("$python" --version) (a few minutes the first time)"
[ -x .venv/bin/python ] || "$python" -m venv .venv
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# pip unpacks and compiles on one core; compiled apart, that is done beside what comes next, and for the most part on all cores at the end.
install() { .venv/bin/python -m pip --disable-pip-version-check install -q --no-compile -c tools/constraints.txt "$@"; }
compile() { .venv/bin/python -m compileall -q "$@" >/dev/null 2>&1 || true; }  # some packages hold files that are no Python; pip lets them be too

install setuptools wheel
compile "$site/setuptools" "$site/wheel"
# torch first and alone: BEVDUET_TORCH_INDEX=https://download.pytorch.org/whl/cpu takes the smaller CPU build where pip would take CUDA's
install ${BEVDUET_TORCH_INDEX:+--index-url "$BEVDUET_TORCH_INDEX"} torch
compile "$site/torch" &
# Before ROS 2, whose lark-parser is written over the newer lark that `sparse` brings: rosidl needs its own.
install --no-build-isolation -e '.[sparse]'

# ROS 2 is an addition: where it cannot be, the rest is complete without it, and this says so.
builder=""  # builds the messages that have no wheel, beside the installing of the rest
without_ros() { echo "no ROS 2 here: $1. Everything else is set up; the nodes do not run and tests/ros skip."; }
install_ros() {
    local answer missing=() tool
    if ! answer=$(install --no-build-isolation -e '.[ros]' 2>&1); then
        case $answer in
            *"No matching distribution found for ros-"*)
                without_ros "no ROS 2 wheels exist for Python $version on $(uname -sm) (they do for CPython 3.10-3.12 on x86-64 Linux)" ;;
            *) echo "$answer" >&2; echo "installing the ROS 2 wheels failed; the reason is above" >&2; return 1 ;;
        esac
        return 0
    fi
    for tool in "${BUILD_TOOLS[@]}"; do command -v "$tool" >/dev/null || missing+=("${tool/c++/g++}"); done
    [ -f "$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] || missing+=("python$version-dev")
    if [ ${#missing[@]} -gt 0 ] && ! apt_install "${missing[@]}"; then
        echo "could not install ${missing[*]}: vision_msgs and tf2_msgs are not built, so that the nodes publish and read less and tests/ros skip;" \
             "install them and run tools/setup_env.sh again"
        return 0
    fi
    tools/build_ros_interfaces.sh .venv &
    builder=$!
}
install_ros
install --no-build-isolation -e '.[test,pretrained,tracking,bag,edge]'
install --no-build-isolation -e '.[tensorrt]' || \
    echo "no TensorRT-RTX for $(uname -sm): everything else is set up; engines are not built here, and their tests skip"
[ -z "$builder" ] || wait "$builder"
compile -j 0 "$site"
stamp >.venv/.bevduet-stamp
