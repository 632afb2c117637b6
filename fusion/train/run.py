"""One training run: builds the trainer, resumes, exports."""

from __future__ import annotations

import logging
import os
import pickle
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.strategies import DDPStrategy, Strategy

from fusion.checkpoint import layout_differences, listed, load_checkpoint, save_checkpoint
from fusion.data.source import SceneSource
from fusion.errors import UserError
from fusion.files import replacing
from fusion.train.balance import BalanceCallback
from fusion.train.dataset import TrainDataset
from fusion.train.ema import EmaCallback
from fusion.train.frozen import FrozenModule, FrozenSamples
from fusion.train.init import take_weights
from fusion.train.module import TrainModule
from fusion.train.precision import decided, told
from fusion.train.recipe import Recipe

MODEL_FILE = "model.safetensors"
RESUME_FILE = "last.ckpt"


class WholeFiles(TorchCheckpointIO):
    """Replaces the resume file in its own folder. Lightning moves it there from the system's temporary folder, which is a copy, and half a file
    where it breaks off, if that is another disk."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write `path`, whole or not at all."""
        with replacing(Path(path)) as temporary:
            torch.save(checkpoint, temporary)


class ExportCallback(Checkpoint):
    """Writes the averaged weights as `model.safetensors` after each epoch, on the first device, when the resume file is written."""

    def __init__(self, path: Path, recipe: Recipe, ema: EmaCallback | None) -> None:
        self._path, self._recipe, self._ema = path, recipe, ema

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Trainer hook."""
        assert isinstance(pl_module, TrainModule)
        if trainer.is_global_zero:
            self.export(pl_module)

    def export(self, module: TrainModule) -> None:
        """Write the checkpoint now."""
        extra = {"train": self._recipe.train}
        if self._ema is None:
            save_checkpoint(self._path, module.network, self._recipe.model, extra)
            return
        with self._ema.applied_to(module.network):
            save_checkpoint(self._path, module.network, self._recipe.model, extra)


class StopAfter(L.Callback):
    """Ends the run after an epoch, its schedule unchanged, so that it can be resumed."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Trainer hook."""
        if trainer.current_epoch + 1 >= self._epochs:
            trainer.should_stop = True


def train(recipe: Recipe, source: SceneSource | FrozenSamples, out: Path, *, resume: bool = False, init: Path | None = None,
          init_parts: Sequence[str] | None = None, devices: int = 1, stop_after_epochs: int | None = None,
          progress: bool = True) -> Path:
    """Train, and leave in `out`: `model.safetensors` + `.yaml` (averaged weights), `last.ckpt` (to resume), `log/` (CSV).

    Args:
        recipe: what and how.
        source: training data; where it is features of frozen encoders, these encoders do not learn.
        out: folder of the run.
        resume: go on from `last.ckpt`, with the recipe, the data and the number of devices that the run was begun with; the losses are those the
            uninterrupted run would have had.
        init: a checkpoint to start from, for fine-tuning; None starts from fresh weights.
        init_parts: take these parts of it alone (`lidar`, `trunk`, ...; they must be alike in both networks), the others start fresh.
        devices: GPUs, or processes on the CPU where there is no GPU; more than one trains by DDP, `batch_size` samples each,
            which are normalised by their own statistics; of running statistics, those of the first device are kept.
        stop_after_epochs: end early, to be resumed; the schedule stays that of `recipe.train.epochs`.
        progress: show a progress bar.

    Returns:
        The exported model.

    Raises:
        UserError: nothing to resume, a run exists and is not to be resumed or was begun with other settings, weights of another network, more GPUs
            wanted than there are, a folder that cannot be written, or weights that are not finite after an epoch.
    """
    config, last = recipe.train, out / RESUME_FILE
    if resume and not last.is_file():
        raise UserError(f"--resume: {last} does not exist; start without --resume, or give the --out of an earlier run")
    if not resume and os.environ.get("LOCAL_RANK", "0") == "0":
        if last.is_file():
            raise UserError(f"--out {out}: holds a run already; go on with --resume, or give another folder")
        if (out / MODEL_FILE).exists():
            raise UserError(f"--out {out}: holds a model already, {MODEL_FILE}, which would be trained over; give another folder")
    if resume and init is not None:
        raise UserError(f"--init {init}: a resumed run has weights already; leave one of --init and --resume away")
    if devices < 1 or (torch.cuda.is_available() and devices > torch.cuda.device_count()):
        raise UserError(f"--devices {devices}: expected {f'1 to {torch.cuda.device_count()}' if torch.cuda.is_available() else 'at least 1'}")
    if init_parts is not None and init is None:
        raise UserError(f"--init-parts {','.join(init_parts)}: expected --init with a model to take them from")
    start = None if init is None else load_checkpoint(init)
    tells = progress and os.environ.get("LOCAL_RANK", "0") == "0"  # one process of all
    module = (FrozenModule(recipe, source) if isinstance(source, FrozenSamples)
              else TrainModule(recipe, TrainDataset(source, recipe.model, config, progress=tells)))
    if init is not None and start is not None:
        module.inherited = take_weights(module.network, *start, init, init_parts)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out}: cannot be made ({error.strerror}); give a folder that can be written") from None
    ema = EmaCallback(config.ema_decay) if config.ema_decay > 0 else None
    export = ExportCallback(out / MODEL_FILE, recipe, ema)
    # The resume file has one owner: it is replaced after every epoch, and exactly one exists.
    keep = ModelCheckpoint(dirpath=out, filename="last", save_top_k=1, monitor=None, enable_version_counter=False,
                           save_on_train_epoch_end=True)
    callbacks: list[L.Callback] = [*([ema] if ema else []), LearningRateMonitor("step"), keep, export]
    if config.balance is not None:
        callbacks.append(BalanceCallback(config.balance))
    if stop_after_epochs is not None:
        callbacks.append(StopAfter(stop_after_epochs))
    on_gpu = torch.cuda.is_available()
    accelerator = "cuda" if on_gpu else "cpu"
    precision = decided(config.precision, accelerator)
    if tells:
        print(told(precision, accelerator), file=sys.stderr, flush=True)
    # Withheld sensors leave whole encoders without a gradient in a step, hence find_unused_parameters.
    strategy: str | Strategy = "auto" if devices == 1 else DDPStrategy(
        find_unused_parameters=True, process_group_backend="nccl" if on_gpu else "gloo")
    with warnings.catch_warnings():
        # Advertising for an online service is no part of the answer.
        logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(lambda record: "litlogger" not in record.getMessage())
        for text in (".*does not have many workers.*", ".*tensorboardX.*", ".*Checkpoint directory.*", ".*number of training batches.*",
                     ".*LeafSpec.*", ".*index_reduce.*"):
            warnings.filterwarnings("ignore", text)
        trainer = L.Trainer(
            accelerator=accelerator, devices=devices, strategy=strategy, precision=precision,
            max_epochs=config.epochs, gradient_clip_val=config.clip_norm, callbacks=callbacks,
            logger=CSVLogger(str(out), name="log", flush_logs_every_n_steps=20), log_every_n_steps=config.log_every,
            use_distributed_sampler=False, enable_progress_bar=progress, enable_model_summary=False, default_root_dir=str(out),
            plugins=[WholeFiles()],
        )
        _fit(trainer, module, last if resume else None)
    if trainer.is_global_zero:
        export.export(module)
    return out / MODEL_FILE


def _fit(trainer: Any, module: TrainModule, resume_from: Path | None) -> None:
    try:
        if resume_from is None:
            trainer.fit(module)
        else:
            trainer.fit(module, ckpt_path=str(resume_from), weights_only=True)
    except SystemExit:  # what Lightning makes of Ctrl-C
        raise KeyboardInterrupt from None
    except (pickle.UnpicklingError, EOFError, KeyError, RuntimeError, ValueError) as error:
        signs: dict[type[Exception], tuple[str, ...]] = {
            RuntimeError: ("PytorchStreamReader", "state_dict", "archive"),
            ValueError: ("loaded state dict",),  # the optimiser's, of parameters in other groups
        }
        of_the_file = all(any(s in str(error) for s in parts) for kind, parts in signs.items() if isinstance(error, kind))
        if resume_from is None or not of_the_file:
            raise
        differences = _differences(module, resume_from) if "state_dict" in str(error) else []
        line = f"{len(differences)} tensors differ" if differences else " ".join(str(error).split())[:200]
        raise UserError(f"{resume_from}: cannot be resumed with this config ({line}); train anew in another --out{listed(differences)}") from None


def _differences(module: TrainModule, resume_from: Path) -> list[str]:
    state = torch.load(resume_from, map_location="cpu", weights_only=True).get("state_dict")
    return [] if state is None else layout_differences(module.state_dict(), state)
