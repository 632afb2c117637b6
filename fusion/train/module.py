"""The Lightning module: one step of training, the optimiser and its schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from fusion.errors import UserError
from fusion.network import build_network
from fusion.train.batch import Collate, TrainBatch
from fusion.train.config import TrainConfig
from fusion.train.dataset import TrainDataset, TrainSample
from fusion.train.groups import parameter_groups
from fusion.train.recipe import Recipe
from fusion.train.same_run import begun_with, check_same_run
from fusion.train.sampler import TrainSampler, balanced_counts


def lr_factor(step: int, total: int, config: TrainConfig) -> float:
    """The learning rate of a step as a fraction of the peak."""
    warmup = max(round(config.warmup * total), 1 if config.warmup else 0)
    if step < warmup:
        rise = (step + 1) / warmup
        return 0.1 + 0.9 * (0.5 - 0.5 * math.cos(math.pi * rise)) if config.schedule == "one_cycle" else rise
    fall = min((step - warmup) / max(total - warmup, 1), 1.0)
    return 1e-3 + (1 - 1e-3) * (0.5 + 0.5 * math.cos(math.pi * fall))


class TrainModule(L.LightningModule):
    """Trains `network` on a `TrainDataset`."""

    def __init__(self, recipe: Recipe, dataset: TrainDataset) -> None:
        super().__init__()
        self.recipe, self.dataset = recipe, dataset
        torch.manual_seed(recipe.train.seed)
        self.network = build_network(recipe.model.network)
        self.network.load_pretrained()  # a resumed run then overwrites it
        self.inherited: frozenset[str] = frozenset()  # names of parameters that came from another network, beside fresh ones

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """What decides the optimiser's groups travels with its state, and what the run was begun with."""
        checkpoint["inherited"] = sorted(self.inherited)
        checkpoint["begun_with"] = begun_with(self.recipe, self.dataset.fingerprint, self.trainer.world_size)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Before the optimiser is made; UserError where the run was begun with other settings."""
        if "begun_with" in checkpoint:  # else an older version's
            check_same_run(checkpoint["begun_with"], self.recipe, self.dataset.fingerprint, self.trainer.world_size)
        self.inherited = frozenset(checkpoint.get("inherited", ()))

    def on_train_epoch_start(self) -> None:
        """Random layers draw by epoch and device, so that a resumed epoch draws what the uninterrupted one would."""
        torch.manual_seed(self.recipe.train.seed + 1_000_003 * self.current_epoch + 7919 * self.global_rank)

    def on_train_epoch_end(self) -> None:
        """UserError where the weights are no numbers any more: before the resume file and the model of the epoch before are replaced by them."""
        if not all(bool(torch.isfinite(value).all()) for value in self.network.parameters()):
            raise UserError(f"training: the weights are not finite after epoch {self.current_epoch + 1}; what the epoch before left is kept; train"
                            " with a smaller train.lr or train.clip_norm, in another --out")

    def training_step(self, batch: TrainBatch, batch_idx: int) -> Tensor:
        """The loss of one batch; its parts are logged."""
        losses = self.network.taught(batch.inputs, batch.supervision)
        total = torch.stack(list(losses.values())).sum()
        size = len(batch.truth)
        self.log("loss", total.detach(), prog_bar=True, batch_size=size)
        self.log_dict({f"loss_{name}": value.detach() for name, value in losses.items()}, batch_size=size)
        return total

    def collate(self) -> Callable[[Sequence[Any]], TrainBatch]:
        """What joins samples into a batch."""
        return Collate(network=self.recipe.model.network, keep_sensors=self.recipe.train.balance is not None)

    def configure_optimizers(self) -> Any:
        """AdamW with the recipe's schedule, stepped at every step."""
        config = self.recipe.train
        groups = parameter_groups(self.network, config.lr, config.weight_decay, inherited=self.inherited, lr_inherited=config.lr_inherited,
                                  by_modality=config.balance is not None)
        optimizer = torch.optim.AdamW(groups, lr=config.lr)
        total = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: lr_factor(step, total, config))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def train_dataloader(self) -> DataLoader[TrainSample]:
        """Batches of this device's share of the epoch."""
        config = self.recipe.train
        labels = self.dataset.labels
        classes = len(self.recipe.model.network.classes)
        counts = balanced_counts(labels, classes) if config.class_balanced else np.ones(len(labels))
        sampler = TrainSampler(counts * config.repeats, config.seed, self.trainer.global_rank, self.trainer.world_size)
        return DataLoader(
            self.dataset, batch_size=config.batch_size, sampler=sampler, num_workers=config.workers,
            collate_fn=self.collate(),
            drop_last=len(sampler) >= config.batch_size, persistent_workers=config.workers > 0,
            pin_memory=torch.cuda.is_available(),
        )
