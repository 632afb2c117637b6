"""Frozen encoders: their features stand for them, they do not learn, all else does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from synthetic import SyntheticSource, tiny_recipe

from fusion.checkpoint import load_checkpoint, save_checkpoint
from fusion.errors import UserError
from fusion.network import BevDuetNet, build_network
from fusion.train.batch import Collate
from fusion.train.dataset import TrainDataset, TrainSample
from fusion.train.frozen import INDEX_FILE, FrozenModule, FrozenSamples, write_features
from fusion.train.recipe import Recipe
from fusion.train.run import train
from fusion.train.sample_key import SampleKey


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    """All of a sample's drawing at random but which sensors are withheld, so that both ways can be compared."""
    return tiny_recipe(epochs=2, seed=3, dropout={"cameras": 0.0, "lidar": 0.0, "one_camera": 0.0}, augment={"paste_probability": 0.0})


@pytest.fixture(scope="module")
def network(recipe: Recipe) -> BevDuetNet:
    torch.manual_seed(1)
    return build_network(recipe.model.network).eval()


@pytest.fixture(scope="module")
def folder(recipe: Recipe, network: BevDuetNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("features")
    write_features(found, network, recipe, SyntheticSource(), 2)
    save_checkpoint(found / "start.safetensors", network, recipe.model)
    return found


def test_the_loss_is_that_of_the_whole_network(recipe: Recipe, network: BevDuetNet, folder: Path) -> None:
    samples, whole = FrozenSamples(folder, recipe), TrainDataset(SyntheticSource(), recipe.model, recipe.train)
    module = FrozenModule(recipe, samples)
    module.network.load_state_dict(network.state_dict())
    module.network.eval()
    module.log = module.log_dict = lambda *_, **__: None  # type: ignore[method-assign, assignment]
    versions = set()
    for place in range(6):
        key = SampleKey(epoch=0, place=place, index=1)
        version = int(key.rng(recipe.train.seed).integers(2))
        drawn = whole[SampleKey(epoch=version, place=1, index=1)]
        batch = Collate(network=recipe.model.network)([drawn])
        expected = torch.stack(list(network.taught(batch.inputs, batch.supervision).values())).sum()
        found = module.training_step(module.collate()([samples[key]]), 0)
        torch.testing.assert_close(found, expected, atol=2e-3, rtol=2e-3)
        versions.add(version)
    assert versions == {0, 1} and "forward" not in vars(module.network.camera)


def test_sensors_are_withheld_when_a_version_is_drawn(recipe: Recipe, network: BevDuetNet, folder: Path) -> None:
    train_alone = replace(recipe, train=replace(recipe.train, dropout=replace(recipe.train.dropout, cameras=1.0)))
    samples = FrozenSamples(folder, train_alone)
    sample = samples[SampleKey(epoch=0, place=0, index=0)]
    assert isinstance(sample, TrainSample) and not sample.sensors.camera_ok.any() and sample.sensors.lidar_ok.all() and sample.camera.any()
    module = FrozenModule(train_alone, samples)
    module.network.load_state_dict(network.state_dict())
    module.log = module.log_dict = lambda *_, **__: None  # type: ignore[method-assign, assignment]
    batch = module.collate()([sample, sample])
    poisoned = replace(batch, camera=torch.full_like(batch.camera, torch.nan))
    assert torch.isfinite(module.training_step(poisoned, 0))


def test_encoders_stay_and_all_else_learns(recipe: Recipe, network: BevDuetNet, folder: Path, tmp_path: Path) -> None:
    made = train(recipe, FrozenSamples(folder, recipe), tmp_path / "run", init=folder / "start.safetensors", progress=False)
    learnt, start = load_checkpoint(made)[0].state_dict(), network.state_dict()
    same = {name.partition(".")[0] for name, value in learnt.items() if torch.equal(value, start[name])}
    changed = {name.partition(".")[0] for name, value in learnt.items() if not torch.equal(value, start[name])}
    assert {"camera", "lidar"} == same - changed and {"lift", "fuser", "trunk", "head"} <= changed


def test_what_is_written_stays_and_an_index_ends_it(recipe: Recipe, network: BevDuetNet, folder: Path, tmp_path: Path) -> None:
    write_features(tmp_path, network, recipe, SyntheticSource(), 1)
    kept, redone = tmp_path / "000001-0.safetensors", tmp_path / "000002-0.safetensors"
    before = kept.stat().st_mtime_ns
    tensors = load_file(redone)
    redone.unlink()
    (tmp_path / INDEX_FILE).unlink()
    with pytest.raises(UserError, match=f"holds no {INDEX_FILE}"):
        FrozenSamples(tmp_path, recipe)
    write_features(tmp_path, network, recipe, SyntheticSource(), 1)
    assert kept.stat().st_mtime_ns == before
    torch.testing.assert_close(load_file(redone), tensors, atol=2e-3, rtol=2e-3)  # its batch mates are others
    labels = FrozenSamples(tmp_path, recipe).labels
    assert [list(found) for found in labels] == [list(found) for found in TrainDataset(SyntheticSource(), recipe.model, recipe.train).labels]
    assert sum(map(len, labels)) == len(SyntheticSource().tokens("synthetic")) and all(isinstance(found, np.ndarray) for found in labels)


def test_features_of_other_encoders_are_refused(recipe: Recipe, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="of encoders with other weights"):
        train(recipe, FrozenSamples(folder, recipe), tmp_path / "run", progress=False)
    blind = replace(recipe, model=replace(recipe.model, network=replace(recipe.model.network, camera=None)))
    with pytest.raises(UserError, match=r"model\.network\.camera: null"):
        FrozenModule(blind, FrozenSamples(folder, blind))
