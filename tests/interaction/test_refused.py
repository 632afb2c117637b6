"""Configs that ask for what cannot be are refused, and the message names the field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from whole_layer import inputs, layer_config, meeting, square

from fusion.config import from_mapping
from fusion.errors import UserError
from fusion.interaction.layer import InteractionLayer, Meeting
from fusion.model import ModelConfig
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
    ({"scale": 0.0}, {}, r"scale: expected a finite number other than 0, .* got 0\.0"),
    ({"scale": float("nan")}, {}, r"scale: expected a finite number other than 0, .* got nan"),
    ({"absent": {"kind": "predict", "tokens": 24}}, {}, r"fuser\.absent\.tokens: expected a divisor of the BEV map's \(128, 128\) cells, got 24"),
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
    with pytest.raises(UserError, match=r"fuser\.layers: a query decoder behind dual_stream .* expected at least 1, got 0, or kind concat"):
        network({"layers": 0}, head={"kind": "query"})
    assert network({**NO_PARTS, "bev_to_image": {}}, head={"kind": "query"}).fuser.channels == 48  # the decoder reads the images
    assert from_mapping(NetworkConfig, {"fuser": {"kind": "concat"}, "head": {"kind": "query"}}, "network").fuser.kind == "concat"


@pytest.mark.parametrize(("stride", "size_hw"), [(8, [128, 356]), (16, [136, 352])])
def test_images_that_feature_pixels_do_not_divide(stride: int, size_hw: list[int]) -> None:
    settings = {"input": {"image_size_hw": size_hw}, "network": {"camera": {"stride": stride}}}
    with pytest.raises(UserError, match=rf"input\.image_size_hw: expected multiples of network\.camera\.stride {stride}, got"):
        from_mapping(ModelConfig, settings, "model")
    settings["network"] = {"camera": None}
    assert from_mapping(ModelConfig, settings, "model").input.image_size_hw == tuple(size_hw)  # no one looks at them


@pytest.mark.parametrize(("lacking", "message"), [
    ("cells", r"where\.cells: expected what image_to_bev reads, got None"), ("rays", r"where\.rays: expected what polar reads"),
    ("pixels", r"where\.pixels: expected what bev_to_image reads"), ("logits", r"depth_logits: expected what \w+ reads"),
    ("where", r"where: expected"),
])
def test_a_layer_without_what_its_parts_read(lacking: str, message: str) -> None:
    grid, config = square(16), layer_config()
    perspective, bev, here, logits = inputs(grid, 8, 2, (4, 12))
    met: Meeting | None = meeting(config, grid, 2, (4, 12))
    assert met is not None
    if lacking in ("cells", "rays", "pixels"):
        met = replace(met, **{lacking: None})
    for layer in (config, replace(config, bev_to_image=None)):
        if layer.bev_to_image is not None or lacking != "pixels":
            with pytest.raises(ValueError, match=message):
                InteractionLayer(layer, 8)(perspective, bev, here, None if lacking == "logits" else logits, None if lacking == "where" else met)
    none, cells = InteractionLayer(config, 8)(perspective[:, :0], bev, here, None, None)  # nothing to look at
    assert none.shape[1] == 0 and cells.shape == bev.shape
