"""Which layers INT8 hurts: the sweep from which `fusion.export.quantise.SENSITIVE` comes, the layers that INT8 leaves in float.

    python tools/int8_sensitivity.py --model nano --out out/sensitivity

Ranges come from the frames that `bevduet export --precision int8` sees. Then each layer alone is quantised, and the answers are compared with
the float graph's on scenes that calibration did not see, some of them without sensors. The error is the root mean square difference of the
confidences, relative to their root mean square; that of boxes, the root mean square difference of their numbers (cells, metres, logarithms of
metres) where an object may be. Last, the worst layers go back to float one after another. Ten minutes on two cores for `nano`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import get_args

from fusion.cli.calibration import CALIBRATION_SEED, JUDGING_SEED, simulated_scenes
from fusion.errors import UserError
from fusion.evaluate.markdown import aligned
from fusion.files import write_text


def main() -> int:
    """Run the command line; returns the exit code."""
    from fusion.export.calibration import Method
    from fusion.export.calibration_frames import FRAMES

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano", help="shipped weights or a .safetensors file (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=FRAMES, metavar="N", help="keyframes for the ranges (default: %(default)s, as of export)")
    parser.add_argument("--judge", type=int, default=16, metavar="N", help="keyframes to compare answers on (default: %(default)s)")
    parser.add_argument("--restore", type=int, default=8, metavar="N", help="layers to put back one after another (default: %(default)s)")
    parser.add_argument("--method", choices=get_args(Method), default="mse", help="how a range follows from what was seen (default: %(default)s)")
    parser.add_argument("--cameras", type=int, default=6, metavar="N", help="camera slots (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="folder for sensitivity.md, made if needed")
    args = parser.parse_args()
    try:
        text = table(args)
    except UserError as error:
        print(f"int8_sensitivity: error: {error}", file=sys.stderr)
        return 2
    write_text(args.out / "sensitivity.md", text + "\n")
    print(text)
    return 0


def table(args: argparse.Namespace) -> str:
    """Every layer, the worst first, and what is left as the worst go back to float."""
    import onnx

    from fusion.checkpoint import load_checkpoint, resolve_model
    from fusion.export.calibration import collect_ranges
    from fusion.export.calibration_frames import calibration_inputs
    from fusion.export.onnx_export import export_onnx
    from fusion.export.quantise import activations_of, layers_of, sensitive_layers
    from fusion.export.sensitivity import Judge, multiplications

    network, config = load_checkpoint(resolve_model(args.model))
    with tempfile.TemporaryDirectory() as scratch:
        graph = Path(scratch) / "graph.onnx"
        cameras = export_onnx(network, config, graph, cameras=args.cameras).cameras
        model = onnx.load(graph)
        layers = layers_of(model)
        kept = sensitive_layers(model)
        work = multiplications(model)
        seen = calibration_inputs(simulated_scenes(Path(scratch) / "seen", args.frames, CALIBRATION_SEED), config, cameras, args.frames)
        ranges = collect_ranges(graph, activations_of(model, list(layers)), seen)
        held_out = simulated_scenes(Path(scratch) / "held_out", args.judge, JUDGING_SEED)
        judge = Judge(graph, ranges, list(calibration_inputs(held_out, config, cameras, args.judge)), args.method)
        print(f"quantising each of {len(layers)} layers alone", flush=True)
        ranked = judge.sweep()
        restored = judge.keep_worst(ranked[:args.restore], 0.0)
        every, default = judge.errors(judge.layers), judge.errors([name for name in judge.layers if name not in kept])
    rows = [["layer", "kernel", "share of the work", "error alone", "of boxes", "INT8 by default"]]
    for one in ranked:
        kernel = layers[one.layer].input[1]
        size = next(tensor.dims for tensor in model.graph.initializer if tensor.name == kernel)
        rows.append([one.layer, "x".join(map(str, size)), f"{work[one.layer] / sum(work.values()):.1%}", f"{one.error:.4f}", f"{one.box_error:.4f}",
                     "no" if one.layer in kept else "yes"])
    steps = [["back to float, one after another", "error left", "of boxes"], ["none", *(f"{e:.4f}" for e in every)],
             *([f"+ {name}", f"{left:.4f}", ""] for name, left in restored),
             [f"by default: {', '.join(kept) or 'none'}", *(f"{e:.4f}" for e in default)]]
    return (f"{args.model}: {len(layers)} convolutions; ranges ({args.method}) from {ranges.frames} keyframes, errors on {args.judge} others\n\n"
            f"{aligned(rows)}\n\n{aligned(steps)}")


if __name__ == "__main__":
    sys.exit(main())
