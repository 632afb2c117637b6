"""Have TensorRT-RTX parse and build a model's graph, in every precision and for every GPU generation. Needs no GPU; runs nothing.

    python tools/tensorrt_gate.py --model nano
    python tools/tensorrt_gate.py --config base --set 'model.network.head={kind: query}' --capabilities SM86
    python tools/tensorrt_gate.py --model out/nano-onnx --commands

Prints a table, or what is refused: operation, layer, reason. Exit code 1 if anything is. `--commands` prints, in place of building, how
`trtexec` builds an exported ONNX graph on a machine with a GPU, such as a Jetson.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

from fusion.errors import UserError

if TYPE_CHECKING:
    import onnx

    from fusion.export.manifest import Precision

PRECISIONS = ("fp32", "fp16", "int8")


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--model", default="nano", help="shipped weights, a .safetensors file, or an exported ONNX folder (default: %(default)s)")
    what.add_argument("--config", help="a config's name: the same operators, untrained")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="with --config: override one value")
    parser.add_argument("--precision", default=",".join(PRECISIONS), help="comma-separated; an exported folder has its own (default: %(default)s)")
    parser.add_argument("--capabilities", default="all", help="such as SM86,SM120 (default: %(default)s)")
    parser.add_argument("--cameras", type=int, default=6, metavar="N", help="camera slots (default: %(default)s)")
    parser.add_argument("--commands", action="store_true", help="print trtexec's command for an exported ONNX folder; build nothing")
    args = parser.parse_args()
    try:
        return print_commands(args) if args.commands else judge_all(args)
    except UserError as error:
        print(f"tensorrt_gate: error: {error}", file=sys.stderr)
        return 2


def print_commands(args: argparse.Namespace) -> int:
    """For `--commands`."""
    from fusion.export.manifest import read_manifest
    from fusion.export.tensorrt_engine import load_onnx, trtexec_arguments

    manifest, path = read_manifest(Path(args.model))
    if manifest.format != "onnx":
        raise UserError(f"--model {args.model}: expected a folder of `bevduet export --format onnx`, got format {manifest.format}")
    arguments = trtexec_arguments(load_onnx(path), manifest.precision, onnx_name=str(path), engine_name=f"{manifest.name}.engine")
    print(" \\\n    ".join(shlex.quote(argument) for argument in arguments))
    return 0


def judge_all(args: argparse.Namespace) -> int:
    """A row per precision and capability."""
    from fusion.export.tensorrt_engine import CAPABILITIES
    from fusion.export.tensorrt_gate import judge

    capabilities = CAPABILITIES if args.capabilities == "all" else tuple(args.capabilities.split(","))
    refused: dict[str, None] = {}
    print(f"{'precision':<10} {'for':<6} {'nodes':>6} {'seconds':>8} {'MB':>7}")
    with tempfile.TemporaryDirectory() as scratch:
        for precision, graph in graphs(args, Path(scratch)):
            for capability in capabilities:
                verdict = judge(graph, precision, (capability,))
                size = "refused" if verdict.data is None else f"{len(verdict.data) / 1e6:.1f}"
                print(f"{precision:<10} {capability:<6} {len(graph.graph.node):>6} {verdict.seconds:>8.1f} {size:>7}", flush=True)
                refused |= dict.fromkeys(f"{precision}, {capability}: {refusal}" for refusal in verdict.refusals)
    for line in refused:
        print(line)
    return 1 if refused else 0


def graphs(args: argparse.Namespace, folder: Path) -> Iterator[tuple[Precision, onnx.ModelProto]]:
    """Graphs that the options ask for."""
    from fusion.checkpoint import load_checkpoint, resolve_model
    from fusion.export.gate_graphs import gate_graphs
    from fusion.export.manifest import read_manifest
    from fusion.export.tensorrt_engine import load_onnx
    from fusion.model import load_model_config
    from fusion.network import build_network
    from fusion.runtime.backends.open import is_exported

    precisions = tuple(args.precision.split(","))
    if not set(precisions) <= set(PRECISIONS):
        raise UserError(f"--precision {args.precision}: expected some of {', '.join(PRECISIONS)}")
    if args.config is None and is_exported(args.model):
        manifest, path = read_manifest(Path(args.model))
        if manifest.format != "onnx":
            raise UserError(f"--model {args.model}: expected an ONNX graph, got format {manifest.format}")
        yield manifest.precision, load_onnx(path)
        return
    if args.config is None:
        network, config = load_checkpoint(resolve_model(args.model))
    else:
        config = load_model_config(args.config, args.set)
        network = build_network(config.network)
    yield from gate_graphs(network, config, folder, cast("tuple[Precision, ...]", precisions), cameras=args.cameras)


if __name__ == "__main__":
    sys.exit(main())
