"""Training behind frozen encoders: what they make of every sample is computed once, so that the rest learns many more steps in the same time.

A sample is drawn with its augmentation in a few versions, whose features are kept on disk in float16; sensors are withheld when a version is
drawn for a step. Lift, interaction, trunk and head train as ever.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from fusion.data.source import SceneSource
from fusion.errors import UserError
from fusion.files import replacing, write_text
from fusion.network import BevDuetNet
from fusion.network_config import NetworkConfig
from fusion.train.batch import Collate, TrainBatch
from fusion.train.config import SensorDropoutConfig
from fusion.train.dataset import TrainDataset, TrainSample, drop_sensors
from fusion.train.module import TrainModule
from fusion.train.recipe import Recipe
from fusion.train.sample_key import SampleKey
from fusion.types import GroundTruth, SensorBatch

INDEX_FILE = "features.json"
ENCODERS = ("camera", "lidar")
_TRUTH = ("boxes", "labels", "num_lidar_pts", "visibility")


def encoders_hash(network: BevDuetNet) -> str:
    """Tells the encoders' weights apart from others."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        if name.partition(".")[0] in ENCODERS:
            digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@torch.no_grad()
def write_features(folder: Path, network: BevDuetNet, recipe: Recipe, source: SceneSource, versions: int, *, progress: bool = False) -> None:
    """Leave every sample's features in a folder, `versions` drawings of each; one that is there is left, and done is done when the index is.

    Args:
        folder: made if needed.
        network: whose camera and LiDAR encoder are frozen; put into eval mode.
        recipe: its augmentation is drawn, with all sensors present.
        source: annotated samples.
    """
    network.eval()
    dataset = TrainDataset(source, recipe.model, replace(recipe.train, dropout=SensorDropoutConfig(cameras=0.0, lidar=0.0, one_camera=0.0)))
    folder.mkdir(parents=True, exist_ok=True)
    keys = [SampleKey(epoch=version, place=index, index=index) for version in range(versions) for index in range(len(dataset))]
    keys = [key for key in keys if not _file(folder, key.index, key.epoch).exists()]
    loader = DataLoader(dataset, batch_size=8, sampler=keys, num_workers=max(recipe.train.workers, 1),  # type: ignore[arg-type]
                        collate_fn=Collate(network=recipe.model.network, keep_sensors=True))
    waiting = iter(keys)
    for batch in tqdm(loader, unit="batch", desc="encoding", disable=None if progress else True):
        assert batch.sensors is not None and network.camera is not None and network.lidar is not None
        camera = network.camera(batch.inputs.images, batch.inputs.camera_ok).half()
        lidar = network.lidar(batch.inputs.cloud, batch.inputs.lidar_ok).half()
        for b, truth in enumerate(batch.truth):
            key = next(waiting)
            kept = int(batch.sensors.points_ok[b].sum())
            order = torch.argsort(~batch.sensors.points_ok[b], stable=True)[:kept]
            tensors = {f.name: getattr(batch.sensors, f.name)[b:b + 1] for f in fields(SensorBatch) if f.name != "images"}
            tensors |= {name: tensors[name][:, order] for name in ("points", "points_ok")}
            tensors |= {"camera": camera[b:b + 1], "lidar": lidar[b:b + 1]}
            tensors |= {name: torch.from_numpy(np.ascontiguousarray(getattr(truth, name))) for name in _TRUTH}
            with replacing(_file(folder, key.index, key.epoch)) as temporary:
                save_file({name: value.contiguous() for name, value in tensors.items()}, temporary,
                          {"attributes": json.dumps(truth.attributes), "classes": json.dumps(truth.classes)})
    write_text(folder / INDEX_FILE, json.dumps({
        "encoders": encoders_hash(network), "versions": versions, "image_size_hw": recipe.model.input.image_size_hw,
        "samples": dataset.fingerprint, "labels": [labels.tolist() for labels in dataset.labels]}) + "\n")


def _file(folder: Path, index: int, version: int) -> Path:
    return folder / f"{index:06d}-{version}.safetensors"


@dataclass(frozen=True, kw_only=True)
class FrozenSample(TrainSample):
    """Attributes: `camera` `(1, N, C, h, w)` and `lidar` `(1, C, X, Y)` float16, what the encoders made of it with all sensors."""

    camera: Tensor
    lidar: Tensor


@dataclass(frozen=True, kw_only=True)
class FrozenBatch(TrainBatch):
    """Attributes: `camera` `(B, N, C, h, w)` and `lidar` `(B, C, X, Y)` float16, in place of the images and points of `inputs`."""

    camera: Tensor
    lidar: Tensor

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> FrozenBatch:
        """What a step reads, on another device."""
        moved = super().to(device, non_blocking=non_blocking)
        assert isinstance(moved, FrozenBatch)
        return replace(moved, camera=self.camera.to(device, non_blocking=non_blocking), lidar=self.lidar.to(device, non_blocking=non_blocking))


class FrozenSamples(Dataset[FrozenSample]):
    """The samples of a folder that `write_features` filled; asked for as those of `TrainDataset`.

    Raises:
        UserError: no complete folder of features.
    """

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        if not (folder / INDEX_FILE).is_file():
            raise UserError(f"{folder}: holds no {INDEX_FILE}; expected the folder of features that were written to their end")
        index = json.loads((folder / INDEX_FILE).read_text())
        self._folder, self._train = folder, recipe.train
        self._versions, self._image_hw = int(index["versions"]), tuple(index["image_size_hw"])
        self.labels = [np.array(labels, np.int64) for labels in index["labels"]]
        self.fingerprint, self.encoders = str(index["samples"]), str(index["encoders"])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, key: SampleKey) -> FrozenSample:
        rng = key.rng(self._train.seed)
        with safe_open(_file(self._folder, key.index, int(rng.integers(self._versions))), "pt") as stored:  # type: ignore[no-untyped-call]
            tensors, told = {name: stored.get_tensor(name) for name in stored.keys()}, stored.metadata()
        camera, lidar = tensors.pop("camera"), tensors.pop("lidar")
        truth = GroundTruth(**{name: tensors.pop(name).numpy() for name in _TRUTH}, attributes=tuple(json.loads(told["attributes"])),
                            classes=tuple(json.loads(told["classes"])))
        images = torch.zeros(()).expand(1, camera.shape[1], 3, *self._image_hw)
        sensors = drop_sensors(SensorBatch(images=images, **tensors), self._train.dropout, rng)
        return FrozenSample(sensors=sensors, truth=truth, camera=camera, lidar=lidar)


@dataclass(frozen=True, kw_only=True)
class FrozenCollate:
    """Samples -> `FrozenBatch`, whose `inputs` hold what the rest of the network reads, and next to nothing for the encoders."""

    network: NetworkConfig

    def __call__(self, samples: Sequence[FrozenSample]) -> FrozenBatch:
        """Join and prepare."""
        made = Collate(network=self.network)(samples)
        cloud: Any = made.inputs.cloud
        unread = replace(cloud, **{f.name: getattr(cloud, f.name)[:1].clone() for f in fields(cloud) if isinstance(getattr(cloud, f.name), Tensor)})
        inputs = replace(made.inputs, images=made.inputs.images[..., :1, :1].clone(), cloud=unread)
        return FrozenBatch(inputs=inputs, supervision=made.supervision, truth=made.truth,
                           camera=torch.cat([sample.camera for sample in samples]), lidar=torch.cat([sample.lidar for sample in samples]))


class FrozenModule(TrainModule):
    """Trains all but the encoders, whose features come with the batch."""

    dataset: FrozenSamples  # type: ignore[assignment]

    def __init__(self, recipe: Recipe, dataset: FrozenSamples) -> None:
        super().__init__(recipe, dataset)  # type: ignore[arg-type]
        for name in ENCODERS:
            part = getattr(self.network, name)
            if part is None:
                raise UserError(f"model.network.{name}: null, but features of both encoders are given; expected both")
            part.requires_grad_(False)

    def on_fit_start(self) -> None:
        """UserError where the features are those of other encoders."""
        if encoders_hash(self.network) != self.dataset.encoders:
            raise UserError("frozen features: of encoders with other weights than this network's; write them anew, or take the same weights")

    def training_step(self, batch: TrainBatch, batch_idx: int) -> Tensor:
        """As ever, with the encoders' answers given."""
        assert isinstance(batch, FrozenBatch)
        with _answering(self.network.camera, batch.camera), _answering(self.network.lidar, batch.lidar):
            return super().training_step(batch, batch_idx)

    def collate(self) -> Any:
        """What joins samples."""
        return FrozenCollate(network=self.recipe.model.network)


@contextmanager
def _answering(encoder: nn.Module | None, features: Tensor) -> Iterator[None]:
    """Inside, the encoder answers with given features, zero where its sensors are absent."""
    assert encoder is not None

    def given(_: Any, ok: Tensor) -> Tensor:
        return torch.where(ok.view(*ok.shape, *(1,) * (features.dim() - ok.dim())), features.float(), 0.0)

    encoder.forward = given
    try:
        yield
    finally:
        del encoder.forward
