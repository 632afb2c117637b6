"""Fine-tuning: a network that starts from the weights of another, whole or in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

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
        if replace(config.network, loss=wanted.loss, targets=wanted.targets, decode=wanted.decode) != wanted:  # these hold no weights
            raise UserError(f"--init {path}: weights of another network than the config's; train with the config saved beside them,"
                            f" {path.with_suffix('.yaml')}, take only the parts that are alike (--init-parts), or leave --init away")
        network.load_state_dict(source.state_dict())
        return frozenset()
    taken: set[str] = set()
    for part in parts:
        own, _, other = part.partition("=")
        mine, theirs = _part(network, own), _part(source, other or own)
        if mine is None or theirs is None:
            both = [name for name, _ in network.named_children() if _part(source, name) is not None]
            raise UserError(f"--init-parts {part}: not a part of both networks; expected some of {', '.join(both)}")
        have, need = theirs.state_dict(), mine.state_dict()
        differ = sorted(key for key in have.keys() | need.keys() if key not in have or key not in need or have[key].shape != need[key].shape)
        if differ:
            raise UserError(f"--init-parts {part}: differs in {len(differ)} weights between the config's network and {path}"
                            f" ({', '.join(differ[:4])}{', ...' if len(differ) > 4 else ''}); leave it away to start it fresh")
        mine.load_state_dict(have)
        taken.update(f"{own}.{name}" for name, _ in mine.named_parameters())
    return frozenset(taken)


def _part(network: nn.Module, name: str) -> nn.Module | None:
    for step in name.split("."):
        found = getattr(network, step, None)
        if not isinstance(found, nn.Module):
            return None
        network = found
    return network
