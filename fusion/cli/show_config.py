"""`bevduet show-config`: what a config means once every default is filled in."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("show-config", help="print a config with every default filled in",
                                   description="Print the resolved config as YAML. Unknown keys are refused.")
    parser.add_argument("name", help="name of a shipped config, or a path to a .yaml file")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="KEY=VALUE",
                        help="override one value, such as model.num_sweeps=2; may be given again")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; raises UserError on bad input."""
    import yaml

    from fusion.config import from_mapping, to_mapping
    from fusion.model import ModelConfig, load_config_mapping

    mapping = load_config_mapping(args.name, args.sets)
    document: dict[str, Any] = {"model": to_mapping(from_mapping(ModelConfig, mapping.get("model") or {}, "model"))}
    if "train" in mapping:
        from fusion.train.config import TrainConfig

        document["train"] = to_mapping(from_mapping(TrainConfig, mapping["train"] or {}, "train"))
    print(yaml.safe_dump(document, sort_keys=False, width=130), end="")
    return 0
