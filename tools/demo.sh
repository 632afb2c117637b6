#!/usr/bin/env bash
# Sets the environment up if needed, then does the main job on real data: perceive with every sensor, then the official score.
#   tools/demo.sh [DATAROOT [VERSION [MODEL]]]
# DATAROOT is a nuScenes folder (the one above v1.0-mini). BEVDUET_SCENES=a,b picks scenes, BEVDUET_OUT the output folder.
set -euo pipefail
cd "$(dirname "$0")/.."

dataroot=${1:-}
version=${2:-v1.0-mini}
model=${3:-}
if [ -z "$dataroot" ]; then
    for candidate in data/nuscenes ../data/nuscenes ../shared/data/nuscenes_scene0523 "$HOME/data/sets/nuscenes" /data/sets/nuscenes; do
        [ -f "$candidate/$version/scene.json" ] && { dataroot=$candidate; break; }
    done
fi
if [ -z "$dataroot" ] || [ ! -f "$dataroot/$version/scene.json" ]; then
    cat >&2 <<MESSAGE
demo: no nuScenes tables at ${dataroot:-data/nuscenes}/$version.
The demo works on real sensor data, whose licence forbids shipping it here. To get it (4 GB, free for non-commercial use):
  1. register at https://www.nuscenes.org/nuscenes and download "Mini" (v1.0-mini.tgz);
  2. mkdir -p data/nuscenes && tar -xf v1.0-mini.tgz -C data/nuscenes
  3. ./tools/demo.sh
MESSAGE
    exit 1
fi

./tools/setup_env.sh
out=${BEVDUET_OUT:-out/demo}
scenes=${BEVDUET_SCENES:-$(.venv/bin/python -c 'import json, sys; print(json.load(open(sys.argv[1]))[0]["name"])' "$dataroot/$version/scene.json")}
if [ -n "$model" ]; then
    choice=(--model "$model")
else
    # No trained weights are published yet: random ones show the whole chain, pictures with ground truth, timings and a score near 0.
    choice=(--model nano --untrained)
    echo "demo: no trained weights given (third argument), so the network is untrained and its boxes mean nothing yet"
fi
.venv/bin/bevduet perceive --dataroot "$dataroot" --version "$version" --scenes "$scenes" "${choice[@]}" --out "$out/perceive"
.venv/bin/bevduet evaluate --dataroot "$dataroot" --version "$version" --scenes "$scenes" \
    --results "$out/perceive/results_nusc.json" --out "$out/evaluate"
echo "demo: pictures and video in $out/perceive, score in $out/evaluate/report.md"
