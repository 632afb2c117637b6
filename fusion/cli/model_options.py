"""The options that say which model answers, and on what: the same for every command."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fusion.cli.device import check_device
from fusion.runtime.backends.names import BACKENDS

if TYPE_CHECKING:
    from fusion.runtime.backends.protocol import Backend
    from fusion.runtime.perceiver import Perceiver


def add_model_options(parser: argparse.ArgumentParser, prefix: str = "") -> None:
    """Add --model, --backend, --threads, --bf16 and --device; `prefix` stands before each help text."""
    parser.add_argument("--model", default="nano", help=prefix + "name of shipped weights, a path to a .safetensors file, or to a folder that"
                                                                 " `bevduet export` wrote (default: %(default)s)")
    parser.add_argument("--backend", choices=BACKENDS, help=prefix + "what runs it: a checkpoint torch (default) or compile, an ONNX model"
                                                                     " onnxruntime (default) or openvino; other exported models their own")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help=prefix + "threads on the CPU (default: 0, the backend chooses)")
    parser.add_argument("--bf16", action="store_true", help=prefix + "compute in bfloat16, where the CPU can: torch, compile, openvino")
    parser.add_argument("--device", default="cpu", help=prefix + "cpu or cuda (default: %(default)s)")


def open_chosen(args: argparse.Namespace) -> Backend:
    """The backend of these options; UserError for what cannot be had."""
    from fusion.runtime.backends.open import open_backend

    check_device(args.device)
    return open_backend(args.model, args.backend, device=args.device, threads=args.threads, bf16=args.bf16)


def chosen_perceiver(args: argparse.Namespace, *, external: bool = False) -> Perceiver:
    """The model of these options, ready to answer; `external`, and of shipped weights always, its submissions tell that it learnt from other data.

    Raises:
        UserError: what cannot be had.
    """
    from fusion.runtime.backends.open import is_shipped
    from fusion.runtime.perceiver import Perceiver

    return Perceiver(open_chosen(args), external=external or is_shipped(args.model))


def model_words(args: argparse.Namespace) -> list[str]:
    """The words of a command line that choose this model and backend again."""
    words = ["--model", str(args.model)]
    if args.backend:
        words += ["--backend", args.backend]
    return words + (["--bf16"] if args.bf16 else [])
