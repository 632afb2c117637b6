"""Settings of training, without Lightning: reading a config never costs the import of a trainer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fusion.types import DETECTION_CLASSES

Precision = Literal["bf16-mixed", "32-true"]
"""What a training can compute in."""


def _check_range(name: str, value: tuple[float, float], low: float) -> None:
    if not low <= value[0] <= value[1]:
        raise ValueError(f"{name}: expected (min, max) with {low} <= min <= max, got {value}")


def _check_probability(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name}: expected a probability in [0, 1], got {value}")


@dataclass(frozen=True, kw_only=True)
class PointAugmentConfig:
    """How clouds are made less perfect.

    Attributes:
        lose: up to this fraction of all points is lost.
        lose_sectors: probability of losing a few narrow sectors beyond some range.
        jitter_m: standard deviation of noise on each coordinate.
        intensity_gain: intensity is multiplied by exp(x), x in [-gain, gain].
        intensity_off: probability that all intensities are 0, so that no network leans on them.
    """

    lose: float = 0.0
    lose_sectors: float = 0.0
    jitter_m: float = 0.0
    intensity_gain: float = 0.0
    intensity_off: float = 0.0

    def __post_init__(self) -> None:
        for name in ("lose", "lose_sectors", "intensity_off"):
            _check_probability(name, getattr(self, name))
        if self.jitter_m < 0 or self.intensity_gain < 0:
            raise ValueError(f"jitter_m, intensity_gain: expected >= 0, got {self.jitter_m}, {self.intensity_gain}")

    @classmethod
    def none(cls) -> PointAugmentConfig:
        """No change."""
        return cls()


@dataclass(frozen=True, kw_only=True)
class ColourAugmentConfig:
    """How images change their colours; figures are for RGB in [0, 1].

    Attributes:
        brightness: added, up to this much either way.
        contrast, balance: factors exp(x) about mid-grey and per channel, x up to this much either way.
        saturation: 1 is grey or double saturation at the most.
        blur_px: Gaussian blur of up to this standard deviation.
        noise: Gaussian noise of up to this standard deviation.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    balance: float = 0.0
    saturation: float = 0.0
    blur_px: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "balance", "saturation", "blur_px", "noise"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected >= 0, got {getattr(self, name)}")

    @classmethod
    def none(cls) -> ColourAugmentConfig:
        """No change."""
        return cls()


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Random changes of each training sample. Calibration and ground truth move along with the data.

    Attributes:
        bev_flip: probability of each of the two mirrorings (left/right and front/back) of the ego frame.
        bev_rotate_rad: the ego frame is turned about z by an angle in [-x, x].
        bev_scale: (min, max) factor on all lengths of the ego frame.
        bev_shift_m: the ego frame is moved by up to this much along x and y, and by up to a fifth of it along z.
        image_resize: (min, max) zoom about the image centre.
        image_shift: the zoomed image is moved by up to this fraction of its width and height.
        image_flip: probability of mirroring each image.
        paste: class name -> at most how many objects of that class to paste into a cloud. Pasted objects have points and no
            pixels, so a sample that gets any is trained with its cameras absent: no camera is taught to see what is not there. Networks
            without a LiDAR get none.
        paste_probability: how many of the samples are pasted into (and lose their cameras).
        points: imperfections of clouds.
        colour: changes of light and colour of images.
    """

    bev_flip: float = 0.5
    bev_rotate_rad: float = 0.3925
    bev_scale: tuple[float, float] = (0.95, 1.05)
    bev_shift_m: float = 0.0
    image_resize: tuple[float, float] = (0.94, 1.11)
    image_shift: float = 0.05
    image_flip: float = 0.5
    paste: Mapping[str, int] = field(default_factory=dict)
    paste_probability: float = 0.3
    points: PointAugmentConfig = field(default_factory=PointAugmentConfig)
    colour: ColourAugmentConfig = field(default_factory=ColourAugmentConfig)

    def __post_init__(self) -> None:
        for name in ("bev_flip", "image_flip", "paste_probability"):
            _check_probability(name, getattr(self, name))
        _check_range("bev_scale", self.bev_scale, 0.1)
        _check_range("image_resize", self.image_resize, 0.1)
        if self.bev_rotate_rad < 0 or self.image_shift < 0 or self.bev_shift_m < 0:
            raise ValueError(f"bev_rotate_rad, image_shift, bev_shift_m: expected >= 0, got {self.bev_rotate_rad}, {self.image_shift}, "
                             f"{self.bev_shift_m}")
        for name, count in self.paste.items():
            if name not in DETECTION_CLASSES or count < 0:
                raise ValueError(f"paste: expected class names of {list(DETECTION_CLASSES)} with counts >= 0, got {name}: {count}")

    @classmethod
    def none(cls) -> AugmentConfig:
        """No augmentation at all."""
        return cls(bev_flip=0.0, bev_rotate_rad=0.0, bev_scale=(1.0, 1.0), image_resize=(1.0, 1.0), image_shift=0.0,
                   image_flip=0.0, paste={}, paste_probability=0.0)


DROPOUT_PRESETS = {"unibev": (0.25, 0.25), "cmt": (0.25, 0.25)}
"""Published modality dropout: probabilities of withholding all cameras and the LiDAR. UniBEV (arXiv 2309.14516) withholds a modality from half of
the samples, either one as often; CMT (arXiv 2301.01283) names a quarter, a quarter and a half. Both come to the same states."""


@dataclass(frozen=True, kw_only=True)
class SensorDropoutConfig:
    """How often sensors are withheld in training, so that the network learns every state it is asked to answer in.

    From a network that reads one kind of sensor alone, that kind is never withheld as a whole.

    Attributes:
        cameras: probability of withholding all cameras.
        lidar: probability of withholding the LiDAR (never together with all cameras).
        one_camera: probability of withholding one random camera where the cameras stay.
        half_cameras: probability of withholding a random half of the cameras at once (of an odd number, the smaller half) where the cameras
            stay; `one_camera` then is of the other samples.
        preset: "unibev" or "cmt" sets `cameras` and `lidar` as published, see `DROPOUT_PRESETS`; None takes the numbers.
    """

    cameras: float = 0.2
    lidar: float = 0.2
    one_camera: float = 0.1
    half_cameras: float = 0.0
    preset: Literal["unibev", "cmt"] | None = None

    def __post_init__(self) -> None:
        if self.preset is not None:
            for name, value in zip(("cameras", "lidar"), DROPOUT_PRESETS[self.preset], strict=True):
                # A resolved config holds the preset and its numbers; any other number would be a second opinion.
                if getattr(self, name) not in (value, type(self).__dataclass_fields__[name].default):
                    raise ValueError(f"{name}: got {getattr(self, name)} beside preset {self.preset!r}, which sets {value}; leave one of them away")
                object.__setattr__(self, name, value)
        for name in ("cameras", "lidar", "one_camera", "half_cameras"):
            _check_probability(name, getattr(self, name))
        if self.cameras + self.lidar > 1:
            raise ValueError(f"cameras + lidar: expected at most 1 (they exclude each other), got {self.cameras + self.lidar}")


@dataclass(frozen=True, kw_only=True)
class BalanceConfig:
    """Adaptive gradient modulation; see `fusion/train/balance.py`.

    Attributes:
        alpha: how sharply steps answer: an encoder's step is scaled by `exp(alpha * (usual lead - present lead))`, leads in nats of
            -log p of the modality's contribution.
        reference: the usual lead: "running" is the mean of all measurements so far, as published; "equal" is none, which slows whichever
            modality is ahead until both explain objects equally well.
        max_scale: factors stay within `1 / max_scale` and this.
        every: steps between two measurements; each costs three answers to a batch.
    """

    alpha: float = 1.0
    reference: Literal["running", "equal"] = "running"
    max_scale: float = 4.0
    every: int = 10

    def __post_init__(self) -> None:
        if self.alpha < 0 or self.max_scale < 1 or self.every < 1:
            raise ValueError(f"alpha, max_scale, every: expected >= 0, >= 1 and >= 1, got {self.alpha}, {self.max_scale}, {self.every}")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How to train.

    Attributes:
        epochs: passes over the (balanced) samples.
        batch_size: samples per step and device; batch normalisation in training is by these alone.
        lr: peak learning rate of AdamW.
        lr_inherited: factor of it for parts taken from another network (--init-parts), which have less to learn than the fresh ones beside.
        weight_decay: AdamW's decay of matrices and kernels (biases, norms, learned scales and tokens are not decayed).
        schedule: "one_cycle" warms up from a tenth of `lr` and anneals to nearly zero; "cosine" only anneals after the warm-up.
        warmup: fraction of all steps spent warming up.
        precision: "bf16-mixed" pays on hardware with bf16 arithmetic only, and is several times slower than "32-true" elsewhere; "auto" asks it.
        clip_norm: gradients are clipped to this norm.
        ema_decay: decay of the averaged weights that are exported; 0 exports the raw weights.
        seed: of initialisation, order, augmentation and dropout of sensors.
        workers: loader processes; 0 loads in the training process. Results do not depend on it.
        class_balanced: draw samples so that rare classes are seen as often as frequent ones.
        repeats: how often an epoch passes over the data; for data sets of a few samples, where an epoch would be one step.
        cache: read and convert all samples at the start and keep them in memory, once for all loader processes; for data sets that fit: 4.5 MB
            a sample of `nano`'s. A third of a loader's work is then done once.
        min_points: boxes with fewer LiDAR and radar points together are not taught (unknown counts are); at 1, the boxes that the
            official score counts are the boxes that are taught.
        log_every: steps between two lines of the log.
        augment: random changes of samples.
        dropout: how often sensors are withheld.
        balance: steps of the camera and the LiDAR encoder scaled against each other; None leaves them.
    """

    epochs: int = 20
    batch_size: int = 4
    lr: float = 1e-3
    lr_inherited: float = 1.0
    weight_decay: float = 0.01
    schedule: Literal["one_cycle", "cosine"] = "one_cycle"
    warmup: float = 0.3
    precision: Literal["auto", Precision] = "32-true"
    clip_norm: float = 10.0
    ema_decay: float = 0.999
    seed: int = 0
    workers: int = 0
    class_balanced: bool = True
    repeats: int = 1
    cache: bool = False
    min_points: int = 1
    log_every: int = 10
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    dropout: SensorDropoutConfig = field(default_factory=SensorDropoutConfig)
    balance: BalanceConfig | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "repeats", "log_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if self.seed < 0:
            raise ValueError(f"seed: expected >= 0, got {self.seed}")
        if not 0 < self.lr < float("inf") or not self.clip_norm > 0 or not self.weight_decay >= 0 or self.workers < 0:
            raise ValueError(f"lr, clip_norm: expected > 0 and weight_decay, workers: >= 0, got {self.lr}, {self.clip_norm}, "
                             f"{self.weight_decay}, {self.workers}")
        if self.lr_inherited < 0:
            raise ValueError(f"lr_inherited: expected a factor >= 0, got {self.lr_inherited}")
        if not 0 <= self.ema_decay < 1 or not 0 <= self.warmup < 1:
            raise ValueError(f"ema_decay, warmup: expected in [0, 1), got {self.ema_decay}, {self.warmup}")
