"""Configs: differences from defaults, refused typos, tagged unions, overrides, round trip."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from fusion.config import apply_sets, from_mapping, load_yaml, to_mapping
from fusion.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Pillars:
    kind: Literal["pillars"] = "pillars"
    channels: int = 32


@dataclass(frozen=True, kw_only=True)
class Voxels:
    kind: Literal["voxels"] = "voxels"
    size_m: tuple[float, float, float] = (0.1, 0.1, 0.2)


@dataclass(frozen=True, kw_only=True)
class Example:
    lidar: Pillars | Voxels | None = field(default_factory=Pillars)
    rate: float = 1e-3
    deep: bool = False
    names: tuple[str, ...] = ("car",)


def test_differences_from_defaults() -> None:
    config = from_mapping(Example, {"rate": 2, "names": ["bus", "car"], "lidar": {"kind": "voxels", "size_m": [1, 2, 3]}})
    assert config == Example(rate=2.0, names=("bus", "car"), lidar=Voxels(size_m=(1.0, 2.0, 3.0)))


def test_round_trip() -> None:
    config = Example(lidar=Voxels(), deep=True)
    assert from_mapping(Example, to_mapping(config)) == config
    assert from_mapping(Example, {"lidar": None}).lidar is None


@pytest.mark.parametrize(("mapping", "message"), [
    ({"rat": 1}, r"rat: unknown key; did you mean 'rate'\?"),
    ({"lidar": {"kind": "pilars"}}, r"lidar.kind: expected one of \['pillars', 'voxels'\], got 'pilars'; did you mean 'pillars'\?"),
    ({"lidar": {"kind": "pillars", "chanels": 3}}, r"lidar.chanels: unknown key; did you mean 'channels'\?"),
    ({"deep": "yes"}, r"deep: expected bool, got 'yes'"),
    ({"lidar": {"kind": "voxels", "size_m": [1, 2]}}, r"lidar.size_m: expected 3 values, got 2"),
    ({"names": "car"}, r"names: expected a list, got 'car'"),
])
def test_refused(mapping: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        from_mapping(Example, mapping)


def test_sets_override_without_touching_the_source() -> None:
    source = {"lidar": {"kind": "pillars"}}
    assert apply_sets(source, ["lidar.channels=64", "rate=1e-2"]) == {"lidar": {"kind": "pillars", "channels": 64}, "rate": "1e-2"}
    assert source == {"lidar": {"kind": "pillars"}}
    assert from_mapping(Example, apply_sets({}, ["rate=1e-2"])).rate == 0.01
    with pytest.raises(UserError, match="expected key.subkey=value"):
        apply_sets({}, ["rate"])


def test_broken_yaml_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("a: [1, 2")
    with pytest.raises(UserError, match="broken.yaml: not valid YAML"):
        load_yaml(path)
    with pytest.raises(UserError, match="no such file"):
        load_yaml(tmp_path / "absent.yaml")


@dataclass(frozen=True, kw_only=True)
class Rig:
    """Fields whose defaults are not those of their classes."""

    near: Pillars = field(default_factory=lambda: Pillars(channels=64))
    far: Pillars | Voxels = field(default_factory=lambda: Voxels(size_m=(1.0, 1.0, 1.0)))
    spare: Pillars | None = None
    inner: Example = field(default_factory=lambda: Example(deep=True, lidar=Pillars(channels=5)))


def test_a_nested_mapping_differs_from_the_default_of_its_field() -> None:
    assert from_mapping(Rig, {"near": {}, "far": {}}) == Rig()
    assert from_mapping(Rig, {"inner": {"rate": 1.0}}).inner == Example(deep=True, lidar=Pillars(channels=5), rate=1.0)
    assert from_mapping(Rig, {"inner": {"lidar": {"kind": "pillars"}}}) == Rig()
    assert from_mapping(Rig, {"far": {"kind": "pillars"}}).far == Pillars()  # another kind has the defaults of its own class
    assert from_mapping(Rig, {"spare": {}}).spare == Pillars()
    assert from_mapping(Rig, to_mapping(Rig(inner=Example()))) == Rig(inner=Example())


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("train:\n  lr: 1.0\nmodel: {}\ntrain:\n  epochs: 2\n")
    with pytest.raises(UserError, match=r"twice.yaml: not valid YAML \(key 'train' stands twice in one mapping .*line 4"):
        load_yaml(path)
    path.write_text("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  x: 3\n")
    assert load_yaml(path)["b"] == {"x": 3, "y": 2}
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match=r"twice.yaml: cannot be read \(Is a directory\)"):
        load_yaml(path)


def test_a_mapping_without_kind_differs_from_the_default() -> None:
    assert from_mapping(Example, {"lidar": {"channels": 7}}) == Example(lidar=Pillars(channels=7))
    with pytest.raises(UserError, match=r"lidar.size_m: unknown key; expected one of \['channels', 'kind'\]"):
        from_mapping(Example, {"lidar": {"size_m": [1, 2, 3]}})
