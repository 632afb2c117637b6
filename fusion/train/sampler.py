"""The order of training samples: class-balanced, the same at every start, divided among the devices by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from fusion.train.sample_key import SampleKey


def balanced_counts(labels: Sequence[np.ndarray], classes: int) -> np.ndarray:
    """How often each sample is to be drawn per epoch, on average, so that all classes present are drawn alike.

    Every class gets the same share of the draws and spreads it evenly over the samples that hold it; an epoch has as many draws as
    there are samples.

    Args:
        labels: per sample, the class indices of the boxes that it teaches.
        classes: number of classes.

    Returns:
        `(samples,)` float64 expected draws; all ones where no sample holds any box. Samples without boxes get none.
    """
    holds = np.zeros((len(labels), classes), bool)
    for index, sample in enumerate(labels):
        holds[index, np.unique(sample)] = True
    per_class = holds.sum(axis=0)
    present = per_class > 0
    if not present.any():
        return np.ones(len(labels))
    share = len(labels) / present.sum()
    return np.asarray((holds[:, present] * (share / per_class[present])).sum(axis=1), np.float64)


class TrainSampler(Sampler[SampleKey]):
    """Yields `SampleKey`s: a sample's index with its epoch and place, from which its random changes are seeded.

    The order depends on the seed and the epoch alone, so a resumed run meets the samples the uninterrupted one would have.
    """

    def __init__(self, counts: np.ndarray, seed: int, rank: int = 0, replicas: int = 1) -> None:
        """Args: `counts` `(samples,)` expected draws of each sample per epoch; `rank` of `replicas` devices."""
        self._counts, self._seed, self._rank, self._replicas = counts, seed, rank, replicas
        self._total = max(int(np.ceil(counts.sum() / replicas - 1e-9)), 1) * replicas
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._total // self._replicas

    def __iter__(self) -> Iterator[SampleKey]:
        rng = np.random.default_rng([self._seed, self.epoch, 0])
        whole = np.floor(self._counts + 1e-9).astype(np.int64)
        order = np.repeat(np.arange(len(whole)), whole)
        missing = self._total - len(order)
        if missing > 0:
            rest = np.clip(self._counts - whole, 0, None) + 1e-9
            order = np.concatenate([order, rng.choice(len(whole), missing, p=rest / rest.sum())])
        order = rng.permutation(order)[: self._total]
        for place in range(self._rank, self._total, self._replicas):
            yield SampleKey(epoch=self.epoch, place=place, index=int(order[place]))
