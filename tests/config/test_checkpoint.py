"""Checkpoints: what is saved comes back; what is broken is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from fusion.checkpoint import layout_differences, load_checkpoint, mean_state, resolve_model, save_checkpoint
from fusion.errors import UserError
from fusion.model import ModelConfig, load_model_config
from fusion.network import build_network


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
