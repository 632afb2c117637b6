"""Which detection is which track: small matrices, solved by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fusion.tracking.association import centre_distances, match_closest_first, match_in_order

INF = np.inf


def test_distances_respect_class_and_gate() -> None:
    found = centre_distances(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 5.0], [3.0, 0.0], [3.0, 4.0]]), np.array([0, 1]),
                             np.array([0, 0, 1]), np.array([5.0, 2.9, 1.0]))
    np.testing.assert_allclose(found, [[5.0, INF, INF], [INF, INF, 0.0]])  # a gate's own distance is within it


def test_the_first_detection_chooses_first() -> None:
    """Detection 0 takes track 0 although detection 1 is closer to it, and detection 1 has to take the other."""
    assert match_in_order(np.array([[1.0, 2.0], [0.1, 3.0]])).tolist() == [0, 1]
    assert match_in_order(np.array([[1.0, INF], [0.1, INF]])).tolist() == [0, -1]


def test_the_closest_pair_goes_first() -> None:
    assert match_closest_first(np.array([[1.0, 2.0], [0.1, 3.0]])).tolist() == [1, 0]
    assert match_closest_first(np.array([[1.0, INF], [0.1, INF]])).tolist() == [-1, 0]


@pytest.mark.parametrize("match", [match_in_order, match_closest_first])
def test_ties_and_empty_sides(match: object) -> None:
    assert callable(match)
    assert match(np.array([[1.0, 1.0], [1.0, 1.0]])).tolist() == [0, 1]
    assert match(np.zeros((2, 0))).tolist() == [-1, -1]
    assert match(np.zeros((0, 2))).tolist() == []
    assert match(np.full((2, 2), INF)).tolist() == [-1, -1]


@pytest.mark.parametrize("match", [match_in_order, match_closest_first])
def test_no_track_is_given_twice_and_nothing_is_changed(match: object) -> None:
    assert callable(match)
    distances = np.random.default_rng(0).uniform(0, 10, (40, 30))
    distances[distances > 6] = INF
    before = distances.copy()
    matches = match(distances)
    np.testing.assert_array_equal(distances, before)
    taken = matches[matches >= 0]
    assert len(set(taken.tolist())) == len(taken)
    assert np.isfinite(distances[np.flatnonzero(matches >= 0), taken]).all()


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"gates_m: expected \(T,\) with \{'T': 1\}, got \(2,\)"):
        centre_distances(np.zeros((1, 2)), np.zeros((1, 2)), np.zeros(1, int), np.zeros(1, int), np.zeros(2))
