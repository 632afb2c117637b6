"""Fine-tuning: a network that starts from the weights of another, whole or in parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from fusion.checkpoint import layout_differences, listed, network_differences
from fusion.errors import UserError
from fusion.model import ModelConfig
from fusion.network import BevDuetNet


def take_weights(network: BevDuetNet, source: BevDuetNet, config: ModelConfig, path: Path, parts: Sequence[str] | None) -> frozenset[str]:
    """Start `network` from the weights of `source`.

    Args:
        network: changed in place.
        source, config: of the checkpoint at `path`.
        parts: names of the network's parts to take, dotted where they are parts of parts; `MINE=THEIRS` where the source calls it otherwise.
            None takes all of a network that is the same.

    Returns:
        Names of the parameters that were taken, where others are left fresh beside them; none where all were.

    Raises:
        UserError: another network, an unknown part, or a part whose weights differ in shape.
    """
    wanted = network.config
    if parts is None:
        settings = network_differences(wanted, config.network)
        if settings:
            differences = layout_differences(network.state_dict(), source.state_dict()) or settings
            raise UserError(f"--init {path}: weights of another network than the config's; train with the config saved beside them,"
                            f" {path.with_suffix('.yaml')}, take only the parts that are alike (--init-parts), or leave --init away"
                            f"{listed(differences)}")
        network.load_state_dict(source.state_dict())
        return frozenset()
    taken: set[str] = set()
    for part in parts:
        own, _, other = part.partition("=")
        mine, theirs = _part(network, own), _part(source, other or own)
        if mine is None or theirs is None:
            both = [name for name, _ in network.named_children() if _part(source, name) is not None]
            raise UserError(f"--init-parts {part}: not a part of both networks; expected some of {', '.join(both)}")
        differences = layout_differences(mine.state_dict(), theirs.state_dict())
        if differences:
            raise UserError(f"--init-parts {part}: {len(differences)} tensors differ between the config's network and {path};"
                            f" leave it away to start it fresh{listed(differences)}")
        mine.load_state_dict(theirs.state_dict())
        taken.update(f"{own}.{name}" for name, _ in mine.named_parameters())
    return frozenset(taken)


def _part(network: nn.Module, name: str) -> nn.Module | None:
    for step in name.split("."):
        found = getattr(network, step, None)
        if not isinstance(found, nn.Module):
            return None
        network = found
    return network
