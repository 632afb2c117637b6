"""`bevduet export`: a checkpoint becomes a folder that an engine runs."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusion.cli.calibration import CALIBRATION_SEED, simulated_scenes
from fusion.cli.names import split_names
from fusion.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from fusion.data.source import SceneSource
    from fusion.export.manifest import Manifest
    from fusion.model import ModelConfig

EXAMPLES = """examples:
  bevduet export --model nano --format onnx --out out/nano-onnx
  bevduet export --model nano --format openvino --precision int8 --out out/nano-int8
  bevduet export --model out/nano-onnx --format tensorrt --out out/nano-engine
  bevduet perceive --dataroot data/nuscenes --version v1.0-mini --model out/nano-int8 --out out/perceive
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "export", help="export a model for ONNX Runtime, OpenVINO or TensorRT",
        description="Write a checkpoint as files that an engine runs, with a manifest.json that says what they are and what they expect. Every"
                    " command that takes --model runs the folder; `bevduet verify` compares it with the checkpoint.",
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano", help="name of shipped weights, a path to a .safetensors file, or, for --format"
                        " tensorrt, a folder exported as onnx, perhaps elsewhere (default: %(default)s)")
    parser.add_argument("--format", choices=("onnx", "openvino", "tensorrt"), default="onnx", help="(default: %(default)s)")
    parser.add_argument("--precision", choices=("fp32", "fp16", "int8"), default="fp32", help="(default: %(default)s)")
    parser.add_argument("--cameras", type=int, metavar="N", help="camera slots; a rig with fewer leaves some empty (default: 6)")
    parser.add_argument("--out", type=Path, required=True, help="folder: new, empty, or an earlier export, which is then replaced")
    parser.add_argument("--calibration", type=Path, metavar="DATAROOT", help="int8: data set to see activations on (default: simulate some)")
    parser.add_argument("--version", default="v1.0-sim", help="int8: of that data set (default: %(default)s)")
    parser.add_argument("--frames", type=int, metavar="N", help="int8: keyframes to see (default: 64)")
    parser.add_argument("--keep", metavar="LAYERS", help="int8: layers or modules that stay in float, comma-separated (default: those that need it)")
    parser.add_argument("--capabilities", metavar="SM", help="tensorrt: GPUs to build for, such as SM86,SM89 (default: all that can be)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; raises UserError on bad input."""
    from fusion.checkpoint import resolve_model
    from fusion.export.run import export_model
    from fusion.runtime.backends.open import is_exported

    int8 = args.precision == "int8"
    for option, given in (("--calibration", args.calibration), ("--frames", args.frames), ("--keep", args.keep)):
        if given is not None and not int8:
            raise UserError(f"{option}: calibration is for --precision int8 alone, got {args.precision}")
    if args.capabilities and args.format != "tensorrt":
        raise UserError(f"--capabilities: for --format tensorrt alone, got {args.format}")
    if args.frames is not None and args.frames < 1:
        raise UserError(f"--frames {args.frames}: expected at least 1")
    if is_exported(args.model):
        return _build(args)
    with tempfile.TemporaryDirectory() as scratch:
        def calibration(config: ModelConfig, cameras: int) -> Iterable[Mapping[str, np.ndarray]]:
            from fusion.export.calibration_frames import FRAMES, calibration_inputs

            frames = args.frames or FRAMES
            return calibration_inputs(_source(args, frames, Path(scratch)), config, cameras, frames)

        manifest = export_model(
            resolve_model(args.model), args.out, format=args.format, precision=args.precision, cameras=6 if args.cameras is None else args.cameras,
            calibration=calibration if int8 else None, keep=None if args.keep is None else tuple(split_names(args.keep)),
            calibrated_on=_calibrated_on(args), capabilities=tuple(split_names(args.capabilities or "")))
    _tell(manifest, args.out)
    return 0


def _build(args: argparse.Namespace) -> int:
    """An engine from a folder that was exported as ONNX, which brings its precision and its camera slots."""
    from fusion.export.manifest import read_manifest
    from fusion.export.run import build_exported

    manifest, _ = read_manifest(Path(args.model))
    if args.format != "tensorrt":
        raise UserError(f"--model {args.model}: is exported already; --format {args.format} is made from a checkpoint, expected tensorrt")
    if args.precision not in ("fp32", manifest.precision):
        raise UserError(f"--precision {args.precision}: {args.model} holds {manifest.precision}; export the checkpoint again for another")
    if args.cameras not in (None, manifest.cameras):
        raise UserError(f"--cameras {args.cameras}: {args.model} has {manifest.cameras} camera slots; export the checkpoint again for another number")
    _tell(build_exported(Path(args.model), args.out, capabilities=tuple(split_names(args.capabilities or ""))), args.out)
    return 0


def _tell(manifest: Manifest, out: Path) -> None:
    megabytes = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    if manifest.precision == "int8":
        build = manifest.build
        print(f"INT8: {build['quantised_layers']} convolutions; in float: {', '.join(build['kept_layers']) or 'none'}; ranges"
              f" ({build['calibration_method']}) from {build['calibration_frames']} keyframes of {build['calibrated_on']}")
    print(f"{manifest.name}, {manifest.format} {manifest.precision}, {manifest.cameras} cameras, {megabytes:.1f} MB -> {out}")


def _calibrated_on(args: argparse.Namespace) -> str:
    if args.calibration is None:
        return f"scenes simulated for it, seed {CALIBRATION_SEED}"
    return f"{args.calibration.resolve().name}, {args.version}"


def _source(args: argparse.Namespace, frames: int, scratch: Path) -> SceneSource:
    from fusion.data.open import open_source

    if args.calibration is not None:
        return open_source(args.calibration, args.version)
    return simulated_scenes(scratch / "scenes", frames, CALIBRATION_SEED)
