"""What identifies one drawing of one training sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SampleKey:
    """Attributes: `epoch` and `place` in its order say when, `index` says which sample."""

    epoch: int
    place: int
    index: int

    def rng(self, seed: int) -> np.random.Generator:
        """The generator of this drawing's random changes, the same in every process and after every resume."""
        return np.random.default_rng([seed, self.epoch, self.place, self.index, 1])
