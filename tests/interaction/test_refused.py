"""Configs that ask for what cannot be are refused, and the message names the field."""

from __future__ import annotations

from typing import Any

import pytest

from fusion.config import from_mapping
from fusion.errors import UserError
from fusion.network_config import NetworkConfig

DEPTH = {"kind": "pull", "depth": {"count": 8}}
NO_PARTS: dict[str, Any] = {"image_self": None, "bev_self": None, "image_to_bev": None, "polar": None, "bev_to_image": None}


def network(fuser: dict[str, Any], **changes: Any) -> NetworkConfig:
    return from_mapping(NetworkConfig, {"lift": DEPTH, **changes, "fuser": {"kind": "dual_stream", **fuser}}, "network")


@pytest.mark.parametrize(("fuser", "changes", "message"), [
    ({**NO_PARTS, "polar": {}}, {"camera": None}, r"fuser\.polar: reads the cameras, but camera is null"),
    ({**NO_PARTS, "image_to_bev": {}}, {"camera": None}, r"fuser\.image_to_bev: reads the cameras, but camera is null"),
    ({**NO_PARTS, "bev_to_image": {}}, {"camera": None}, r"fuser\.bev_to_image: reads the cameras"),
    ({**NO_PARTS, "image_self": {}}, {"camera": None}, r"fuser\.image_self: reads the cameras"),
    ({**NO_PARTS, "polar": {}}, {"lidar": None}, r"fuser\.polar: an exchange between camera and LiDAR, but lidar is null"),
    ({**NO_PARTS, "image_to_bev": {}}, {"lidar": None}, r"fuser\.image_to_bev: an exchange"),
    ({}, {"lift": {"kind": "pull"}}, r"fuser\.bev_to_image: needs the depth of pixels .* expected lift\.depth with kind pull, or kind splat"),
    ({**NO_PARTS, "bev_to_image": {}}, {}, r"fuser\.bev_to_image: nothing reads the images after it"),
    ({**NO_PARTS, "image_self": {}, "layers": 2}, {}, r"fuser\.image_self: nothing reads the images after it"),
    ({**NO_PARTS}, {}, r"layers: 1 without any of \['image_self', .* would do nothing"),
    ({"layers": -1}, {}, r"layers: expected 0 or more, got -1"),
    ({"channels": 50}, {}, r"image_self\.heads: expected a divisor of channels 50, got 4"),
    ({"polar": {"heads": 5}}, {}, r"polar\.heads: expected a divisor of channels 48, got 5"),
    ({"polar": {"bins": 1}}, {}, r"bins, first_m, step_m: expected at least 2 bins"),
    ({"image_to_bev": {"views": 0}}, {}, r"views: expected at least one"),
    ({"image_to_bev": {"stride": 4}}, {"grid": {"x_range_m": [-52.0, 52.0]}}, r"fuser\.image_to_bev\.stride: expected a divisor .* got 4"),
    ({**NO_PARTS, "bev_self": {}, "absent": {"kind": "predict"}}, {"camera": None}, r"fuser\.absent: .* needs both encoders"),
    ({"polr": {}}, {}, r"polr: unknown key; did you mean 'polar'"),
    ({"kind": "dual_steam"}, {}, r"kind: expected one of \['concat', 'dual_stream'\], got 'dual_steam'; did you mean 'dual_stream'"),
])
def test_refused_by_name(fuser: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        network(fuser, **changes)


def test_parts_of_no_layer_ask_for_nothing() -> None:
    assert network({"layers": 0}, camera=None).fuser.channels == 48


def test_a_query_decoder_needs_a_layer() -> None:
    with pytest.raises(UserError, match=r"fuser\.layers: a query decoder .* expected at least 1, got 0"):
        network({"layers": 0}, head={"kind": "query"})
    assert network({**NO_PARTS, "bev_to_image": {}}, head={"kind": "query"}).fuser.channels == 48  # the decoder reads the images
