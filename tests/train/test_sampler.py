from __future__ import annotations

import numpy as np

from fusion.train.sampler import TrainSampler, balanced_counts


def test_rare_class_is_drawn_as_often_as_the_frequent_one() -> None:
    labels = [np.array([0])] * 18 + [np.array([5, 5])] * 2 + [np.zeros(0, np.int64)]
    counts = balanced_counts(labels, 10)
    np.testing.assert_allclose([counts[:18].sum(), counts[18:20].sum(), counts[20]], [10.5, 10.5, 0])
    drawn = np.bincount([key.index for key in TrainSampler(counts, seed=0)], minlength=21)
    assert drawn.sum() == 21 and abs(int(drawn[:18].sum()) - 10) <= 3 and drawn[20] == 0


def test_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        sampler = TrainSampler(np.ones(50), seed)
        sampler.set_epoch(epoch)
        return [key.index for key in sampler]

    assert order(0, 1) == order(0, 1) and order(0, 1) != order(0, 2) and order(0, 1) != order(1, 1)
    assert sorted(order(0, 3)) == list(range(50))


def test_shards_are_equal_and_cover_the_epoch() -> None:
    shards = [[key.index for key in TrainSampler(np.ones(9), 0, rank, 2)] for rank in range(2)]
    assert len(shards[0]) == len(shards[1]) == len(TrainSampler(np.ones(9), 0, 0, 2)) == 5
    assert set(shards[0]) | set(shards[1]) == set(range(9))


def test_no_boxes_at_all_draws_every_sample_once() -> None:
    assert balanced_counts([np.zeros(0, np.int64)] * 3, 10).tolist() == [1, 1, 1]
