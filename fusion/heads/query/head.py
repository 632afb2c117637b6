"""Predictive interaction decoder: boxes refined by looking at images and BEV in turn (DeepInteraction, arXiv 2208.11112, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from fusion.geometry.grid import BevGrid
from fusion.heads.query.attention import BevAttention
from fusion.heads.query.dynamic import DynamicConv
from fusion.heads.query.layers import Absorb, BoxEncoding, Exchange, Predictor
from fusion.heads.query.output import Prediction, QueryOutput
from fusion.heads.query.regions import bev_regions, image_regions
from fusion.heads.query.sampling import tile_cameras
from fusion.heads.query.seeds import at_cells, find_seeds
from fusion.heads.query.view import ViewGeometry
from fusion.types import CameraStream, LidarStream


@dataclass(frozen=True, kw_only=True)
class QueryHeadConfig:
    """The query decoder.

    Attributes:
        queries: Q, peaks of the heatmap that are followed, at most 500.
        layers: refining layers after the first one; the odd ones look at the images, the even ones at BEV (all at BEV without cameras).
        channels: C of queries and of what they look at.
        hidden: channels of the heatmap's hidden layer.
        heads: heads of both attentions.
        points: places per head that a query looks at in the first layer.
        region: a box is read at `region` x `region` places.
        views: cameras that an image layer reads a box from; where more see it, those that show most of it win.
        kernel: hidden channels of the dynamic convolution.
        ffn: hidden channels of each layer's two-layer network.
    """

    kind: Literal["query"] = "query"
    queries: int = 200
    layers: int = 4
    channels: int = 48
    hidden: int = 32
    heads: int = 4
    points: int = 4
    region: int = 7
    views: int = 3
    kernel: int = 16
    ffn: int = 96

    def __post_init__(self) -> None:
        if not 1 <= self.queries <= 500:
            raise ValueError(f"queries: expected 1 to 500, got {self.queries}")
        for name in ("layers", "channels", "hidden", "heads", "points", "region", "views", "kernel", "ffn"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if self.channels % self.heads:
            raise ValueError(f"channels: expected a multiple of heads ({self.heads}), got {self.channels}")


class _Layer(nn.Module):
    """One refining layer; where its regions come from is the head's business."""

    def __init__(self, config: QueryHeadConfig, classes: int, cell_m: float) -> None:
        super().__init__()
        self.exchange = Exchange(config.channels, config.heads)
        self.read = DynamicConv(config.channels, config.kernel, config.region**2)
        self.absorb = Absorb(config.channels, config.ffn)
        self.predict = Predictor(config.channels, classes, cell_m)

    def forward(self, query: Tensor, position: Tensor, valid: Tensor, region: Tensor, boxes: Tensor) -> tuple[Tensor, Prediction]:
        query = self.exchange(query, position, valid)
        query = self.absorb(query, self.read(query, region.to(query.dtype)))
        return query, self.predict(query, boxes)


class QueryHead(nn.Module):
    """Heatmap peaks become queries; each layer looks where the last one's boxes lie.

    Args:
        channels: of the joined map.
        perspective_channels: of the image features; None in a network without cameras, in which all layers look at BEV.
        classes: K.
        grid: of the joined map.
    """

    def __init__(self, config: QueryHeadConfig, channels: int, perspective_channels: int | None, classes: int, grid: BevGrid) -> None:
        super().__init__()
        self.config, self.grid = config, grid
        width = config.channels
        self.shared = _conv(channels, width)
        self.heatmap = nn.Sequential(_conv(width, config.hidden), nn.Conv2d(config.hidden, classes, 1))
        nn.init.constant_(self.heatmap[1].bias, -2.19)  # type: ignore[arg-type]
        self.perspective = None if perspective_channels is None else nn.Conv2d(perspective_channels, width, 1)
        self.class_embedding = nn.Embedding(classes, width)
        self.encode_box = BoxEncoding(width, grid)
        self.start = nn.LayerNorm(width)
        self.exchange, self.absorb = Exchange(width, config.heads), Absorb(width, config.ffn)
        self.look_around = BevAttention(width, config.heads, config.points)
        self.predict = Predictor(width, classes, grid.cell_m)
        self.layers = nn.ModuleList(_Layer(config, classes, grid.cell_m) for _ in range(config.layers))

    def forward(self, joined: Tensor, camera: CameraStream | None, lidar: LidarStream | None, view: ViewGeometry | None,
                looked: Tensor | None = None) -> QueryOutput:
        """Boxes of every sample.

        Args:
            joined: `(B, C, X, Y)` the map that both streams meet in; BEV layers look at it, because it is there whatever sensor is absent.
            camera: its `perspective` is what image layers look at; must be given to a head built with `perspective_channels`.
            lidar: not looked at beyond its part in `joined`.
            view: how the cameras look, as `camera`.
            looked: `(B, 1, X, Y)` bool: cells that a present sensor looks at, or nearly; queries start nowhere else. None: all.

        Raises:
            ValueError: a head built with cameras got no stream or no view of them.
        """
        tiles = self._tiles(camera, view)
        bev = self.shared(joined)
        heatmap = self.heatmap(bev)
        seeds = find_seeds(heatmap, self.config.queries, looked)
        cells = torch.stack([seeds.cells // self.grid.shape[1], seeds.cells % self.grid.shape[1]], dim=-1) + 0.5
        boxes = self._boxes_at(cells)

        query = self.start(at_cells(bev, seeds.cells) + self.class_embedding(seeds.labels))
        position = self.encode_box(boxes)
        query = self.exchange(query, position, seeds.valid)
        query = self.absorb(query, self.look_around(query + position, cells, bev))
        said: list[Prediction] = [self.predict(query, boxes)]
        refreshed = [torch.ones_like(seeds.valid)]

        for index, layer in enumerate(self.layers):
            last, boxes = said[-1], said[-1].boxes.detach()
            position = self.encode_box(boxes)
            if self.perspective is None or index % 2:
                region = bev_regions(bev, boxes, last.direction.detach(), self.grid, self.config.region)
                query, prediction = layer(query, position, seeds.valid, region, boxes)
                said.append(prediction)
                refreshed.append(refreshed[0])
            elif tiles is None or view is None:  # a batch without any camera slot
                said.append(last.or_else(torch.zeros_like(seeds.valid), last))
                refreshed.append(torch.zeros_like(seeds.valid))
            else:
                region, seen = image_regions(tiles, boxes, view, self.config.region, self.config.views)
                renewed, prediction = layer(query, position, seeds.valid, region, boxes)
                query = torch.where(seen[..., None], renewed, query)
                said.append(prediction.or_else(seen, last))
                refreshed.append(seen)

        return QueryOutput(
            heatmap=heatmap, cells=seeds.cells, labels=seeds.labels, valid=seeds.valid, heat=seeds.heat,
            logits=torch.stack([p.logits for p in said], dim=1), boxes=torch.stack([p.boxes for p in said], dim=1),
            direction=torch.stack([p.direction for p in said], dim=1), attributes=torch.stack([p.attributes for p in said], dim=1),
            refreshed=torch.stack(refreshed, dim=1),
        )

    def _tiles(self, camera: CameraStream | None, view: ViewGeometry | None) -> Tensor | None:
        """`(B, C, h, N * w)`, or None where there is nothing to look at."""
        if self.perspective is None:
            return None
        if camera is None or view is None:
            missing = "camera" if camera is None else "view"
            raise ValueError(f"{missing}: expected one (mark absent cameras in `camera_ok`), as this head looks into images, got None")
        if camera.perspective.shape[1] == 0:
            return None
        images = camera.perspective
        tiles: Tensor = self.perspective(tile_cameras(images, view.pixels_ok((images.shape[-2], images.shape[-1]))))
        return tiles

    def _boxes_at(self, cells: Tensor) -> Tensor:
        """`(B, Q, 10)` boxes of one metre at rest on the ego plane, at `(B, Q, 2)` continuous cells."""
        x, y = (cells[..., axis] * self.grid.cell_m + low for axis, low in ((0, self.grid.x_range_m[0]), (1, self.grid.y_range_m[0])))
        zero = torch.zeros_like(x)
        return torch.stack([x, y, zero, zero, zero, zero, zero, zero + 1, zero, zero], dim=-1)


def _conv(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))
