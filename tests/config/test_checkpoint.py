"""Checkpoints: what is saved comes back; what is broken is named."""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from fusion.checkpoint import layout_differences, load_checkpoint, mean_state, model_differences, resolve_model, save_checkpoint
from fusion.encoders.camera import CameraConfig
from fusion.encoders.resnet import ResNetConfig
from fusion.errors import UserError
from fusion.geometry.grid import BevGrid
from fusion.model import ModelConfig, load_model_config
from fusion.network import build_network
from fusion.network_config import NetworkConfig


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ModelConfig]:
    config = load_model_config("nano")
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("checkpoint") / "net.safetensors"
    save_checkpoint(path, build_network(config.network), config, {"train": {"seed": 7}})
    return path, config


def test_round_trip(saved: tuple[Path, ModelConfig]) -> None:
    path, config = saved
    network, loaded = load_checkpoint(path)
    assert loaded == config and not network.training
    torch.manual_seed(0)
    expected = build_network(config.network).state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in network.state_dict().items())
    document = yaml.safe_load(path.with_suffix(".yaml").read_text())
    assert document["train"] == {"seed": 7} and "network" in document["model"]
    assert sorted(p.name for p in path.parent.iterdir()) == ["net.safetensors", "net.yaml"]


def test_half_takes_half_the_space_and_loads_as_float32(saved: tuple[Path, ModelConfig], tmp_path: Path) -> None:
    path, config = saved
    network, _ = load_checkpoint(path)
    save_checkpoint(tmp_path / "half.safetensors", network, config, half=True)
    small, _ = load_checkpoint(tmp_path / "half.safetensors")
    assert (tmp_path / "half.safetensors").stat().st_size < 0.52 * path.stat().st_size
    for key, value in small.state_dict().items():
        original = network.state_dict()[key]
        assert value.dtype == original.dtype
        torch.testing.assert_close(value, original, rtol=1e-3 if value.dim() > 1 else 0, atol=1e-6 if value.dim() > 1 else 0)


def test_corrupt_weights_are_named(saved: tuple[Path, ModelConfig], tmp_path: Path) -> None:
    source, _ = saved
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(source.read_bytes()[:5000])
    with pytest.raises(UserError, match=r"broken.yaml: missing"):
        load_checkpoint(broken)
    (tmp_path / "broken.yaml").write_text(source.with_suffix(".yaml").read_text())
    with pytest.raises(UserError, match=r"broken.safetensors: not a readable safetensors file"):
        load_checkpoint(broken)


def test_weights_of_another_config_are_refused(saved: tuple[Path, ModelConfig], tmp_path: Path) -> None:
    source, _ = saved
    other = tmp_path / "other.safetensors"
    other.write_bytes(source.read_bytes())
    document = yaml.safe_load(source.with_suffix(".yaml").read_text())
    document["model"]["network"]["camera"] = None
    other.with_suffix(".yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(UserError, match="weights do not fit other.yaml"):
        load_checkpoint(other)


def test_weights_of_another_layout_list_the_keys_and_shapes_that_differ(saved: tuple[Path, ModelConfig], tmp_path: Path) -> None:
    source, _ = saved
    other = tmp_path / "dual.safetensors"
    other.write_bytes(source.read_bytes())
    document = yaml.safe_load(source.with_suffix(".yaml").read_text())
    network = document["model"]["network"]
    network["fuser"] = {"kind": "dual_stream", "layers": 0, "join": {"kind": "cnw"}}
    network["trunk"]["out_channels"] = 32
    other.with_suffix(".yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(UserError) as error:
        load_checkpoint(other)
    for line in ("fuser.join.logits: expected (2, 48), missing", "fuser.mix.0.weight: unknown, got (48, 99, 1, 1)",
                 "trunk.lateral.0.0.weight: expected (32, 48, 1, 1), got (48, 48, 1, 1)", "use the .yaml saved with them"):
        assert line in str(error.value)


def test_differences_by_hand() -> None:
    lines = layout_differences({f"a{i}": torch.zeros(i) for i in range(3)}, {"a1": torch.zeros(1), "b": torch.zeros(2, 2)})
    assert lines == ["a0: expected (0,), missing", "a2: expected (2,), missing", "b: unknown, got (2, 2)"]


def test_mean_of_two_networks() -> None:
    first, second = {"a": torch.tensor([1.0, 3.0]), "n": torch.tensor(7)}, {"a": torch.tensor([2.0, -1.0]), "n": torch.tensor(9)}
    mean = mean_state(first, second)
    assert mean["a"].tolist() == [1.5, 1.0] and mean["n"].item() == 7
    with pytest.raises(UserError, match=r"1 tensors differ:\n  a: expected \(2,\), missing"):
        mean_state(first, {"n": second["n"]})


def test_unknown_names_say_what_exists() -> None:
    with pytest.raises(UserError, match="no such weights"):
        resolve_model("nanoo")
    with pytest.raises(UserError, match="unknown name; did you mean 'nano'"):
        load_model_config("nanoo")
    with pytest.raises(UserError, match="unknown key; did you mean 'network'"):
        load_model_config("nano", ["model.netwrok.camera=null"])


def with_network(config: ModelConfig, **changes: object) -> ModelConfig:
    return replace(config, network=replace(config.network, **changes))  # type: ignore[arg-type]


def test_what_two_models_must_share_to_be_averaged(saved: tuple[Path, ModelConfig]) -> None:
    _, config = saved
    network = config.network
    for other, line in [
        (replace(config, input=replace(config.input, max_range_m=60.0)), "input.max_range_m: expected 80.0, got 60.0"),
        (replace(config, num_sweeps=2), "num_sweeps: expected 0, got 2"),
        (with_network(config, classes=(*network.classes[1:], "car")), "network.classes: expected"),
        (with_network(config, grid=replace(network.grid, z_range_m=(-4.0, 4.0))), "network.grid.z_range_m: expected [-3.0, 5.0], got [-4.0, 4.0]"),
    ]:
        assert not layout_differences(build_network(network).state_dict(), build_network(other.network).state_dict())  # the tensors say nothing
        (difference,) = model_differences(config, other)
        assert difference.startswith(line)
    assert model_differences(config, with_network(config, loss=replace(network.loss, yaw=1.0), decode=replace(network.decode, max_boxes=9),
                                                  targets=replace(network.targets, min_radius=3))) == []
    assert model_differences(config, config) == []


@pytest.mark.parametrize("alike", [True, False])
def test_weights_that_read_otherwise_are_not_averaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
                                                      alike: bool) -> None:
    camera = CameraConfig(backbone=ResNetConfig(width=0.25))
    config = ModelConfig(network=NetworkConfig(camera=camera, grid=BevGrid(x_range_m=(-12.8, 12.8), y_range_m=(-12.8, 12.8))))
    other = with_network(config, loss=replace(config.network.loss, yaw=1.0)) if alike else replace(config, num_sweeps=3)
    for name, model, weight in (("first", config, 1.0), ("second", other, 2.0)):
        network = build_network(model.network)
        for parameter in network.parameters():
            torch.nn.init.constant_(parameter, weight)
        save_checkpoint(tmp_path / name / "model.safetensors", network, model, {"train": {"seed": int(weight)}})
    shipped = tmp_path / "weights"
    monkeypatch.setattr("fusion.checkpoint.WEIGHTS_DIR", shipped)
    arguments = ["ship_weights", "--run", str(tmp_path / "first"), "--mean-with", str(tmp_path / "second"), "--name", "mean"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(Path(__file__).resolve().parents[2] / "tools" / "ship_weights.py"), run_name="__main__")
    if alike:
        assert not ended.value.code
        network, kept = load_checkpoint(shipped / "mean.safetensors")
        assert kept == config and {float(value) for p in network.parameters() for value in p.flatten()} == {1.5}
    else:
        assert ended.value.code == 2 and not shipped.exists()
        assert f"second: expected the model of {tmp_path / 'first'}, 1 settings differ:\n  num_sweeps: expected 0, got 3" in capsys.readouterr().err
