"""The two streams: what each modality's encoder hands to the interaction, and what that hands on."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fusion.types.checks import check_shape


@dataclass(frozen=True, kw_only=True)
class CameraStream:
    """Camera features in both of their forms.

    Attributes:
        perspective: `(B, N, C, h, w)` image features; zero for absent cameras, and from dual-stream layers on in the padding of images.
        bev: `(B, D, X, Y)` the same lifted to BEV; first spatial index forward, second left; zero where no camera sees.
        seen: `(B, 1, X, Y)` float in {0, 1}: cells that at least one present camera sees.
        ok: `(B,)` bool: at least one camera is present.
        depth_logits: `(B, N, bins, h, w)` where the lift predicts depth, else None.
    """

    perspective: Tensor
    bev: Tensor
    seen: Tensor
    ok: Tensor
    depth_logits: Tensor | None = None

    def __post_init__(self) -> None:
        dims: dict[str, int] = {}
        check_shape("perspective", self.perspective, ("B", "N", "C", "h", "w"), dims)
        check_shape("bev", self.bev, ("B", "D", "X", "Y"), dims)
        check_shape("seen", self.seen, ("B", 1, "X", "Y"), dims)
        check_shape("ok", self.ok, ("B",), dims)
        if self.depth_logits is not None:
            check_shape("depth_logits", self.depth_logits, ("B", "N", "bins", "h", "w"), dims)


@dataclass(frozen=True, kw_only=True)
class LidarStream:
    """LiDAR features.

    Attributes:
        bev: `(B, C, X, Y)`; zero where the LiDAR is absent.
        ok: `(B,)` bool: the LiDAR is present.
    """

    bev: Tensor
    ok: Tensor

    def __post_init__(self) -> None:
        dims: dict[str, int] = {}
        check_shape("bev", self.bev, ("B", "C", "X", "Y"), dims)
        check_shape("ok", self.ok, ("B",), dims)


@dataclass(frozen=True, kw_only=True)
class Interacted:
    """What the interaction hands to trunk and heads.

    Attributes:
        bev: `(B, C, X, Y)` the joined map.
        camera, lidar: the streams after their exchange, still separate; None in a network without them. What was hidden on purpose in
            training is absent from them, too.
        reconstruction: scalar training loss of the prediction of what is absent, or None.
    """

    bev: Tensor
    camera: CameraStream | None
    lidar: LidarStream | None
    reconstruction: Tensor | None = None

    def __post_init__(self) -> None:
        dims: dict[str, int] = {}
        check_shape("bev", self.bev, ("B", "C", "X", "Y"), dims)
        for stream in (self.camera, self.lidar):
            if stream is not None:
                check_shape("stream.bev", stream.bev, ("B", "D", "X", "Y"), {k: v for k, v in dims.items() if k != "D"})
