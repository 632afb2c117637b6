"""The interaction's operations once more: one cell, camera, head and sample at a time, as the definitions read."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from fusion.geometry.grid import BevGrid
from fusion.interaction.bev_to_image import BevToImage
from fusion.interaction.deformable import DeformableSelfAttention
from fusion.interaction.image_to_bev import ImageToBev
from fusion.interaction.polar import PolarAttention
from fusion.types import SensorBatch


def numbers(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def bilinear(maps: Tensor, column: Tensor | float, row: Tensor | float, border: bool) -> Tensor:
    """`(C, H, W)` at one position, pixel centres at integers -> `(C,)`; outside is zero, or with `border` the nearest position inside."""
    height, width = maps.shape[-2:]
    column, row = (torch.as_tensor(x, dtype=maps.dtype) for x in (column, row))
    if border:
        column, row = column.clamp(0, width - 1), row.clamp(0, height - 1)
    left, top = math.floor(float(column)), math.floor(float(row))
    total = torch.zeros(maps.shape[0], dtype=maps.dtype)
    for j in (left, left + 1):
        for i in (top, top + 1):
            if 0 <= i < height and 0 <= j < width:
                total = total + maps[:, i, j] * (1 - (column - j).abs()) * (1 - (row - i).abs())
    return total


def coarse(maps: Tensor, stride: int) -> Tensor:
    """`(C, H, W)` halved until at 1 / `stride`: the mean of 2 x 2, and of odd sizes what lies at the centres of one more cell."""
    while stride > 1:
        maps, stride = fine(maps, (-(-maps.shape[1] // 2), -(-maps.shape[2] // 2))), stride // 2
    return maps


def fine(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """`(C, H, W)` interpolated to `size` over the same extent."""
    channels, height, width = maps.shape
    cells = [bilinear(maps, (j + 0.5) * width / size[1] - 0.5, (i + 0.5) * height / size[0] - 0.5, True)
             for i in range(size[0]) for j in range(size[1])]
    return torch.stack(cells, 1).view(channels, *size)


def by_pixel(layer: torch.nn.Module, maps: Tensor) -> Tensor:
    """A layer over channels applied to every pixel of `(C, H, W)`."""
    applied: Tensor = layer(maps.permute(1, 2, 0)).permute(2, 0, 1)
    return applied


def place(index: int, count: int) -> float:
    """The centre of a pixel from -1 to 1."""
    return (2 * index + 1) / count - 1


def centre_m(grid: BevGrid, i: int, j: int) -> tuple[float, float]:
    return grid.x_range_m[0] + (i + 0.5) * grid.cell_m, grid.y_range_m[0] + (j + 0.5) * grid.cell_m


def pixel(batch: SensorBatch, b: int, n: int, xyz: tuple[float, float, float]) -> tuple[float, float, float]:
    """Where a camera sees an ego point: u, v, depth."""
    x, y, depth = (batch.intrinsics[b, n] @ (batch.cam_T_ego[b, n] @ numbers([*xyz, 1.0]))[:3]).tolist()
    return x / depth if depth else math.inf, y / depth if depth else math.inf, depth


def image_part(batch: SensorBatch, b: int, n: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what is image, pixels."""
    left, top, right, bottom = batch.valid_px[b, n].tolist()
    return left, top, right, bottom


def sees(batch: SensorBatch, b: int, n: int, u: float, v: float | None = None) -> bool:
    left, top, right, bottom = image_part(batch, b, n)
    return left <= u < right and (v is None or top <= v < bottom)


def in_part(batch: SensorBatch, b: int, n: int, size: tuple[int, int]) -> tuple[list[int], list[int]]:
    """Columns and rows of maps of `size` that hold at least a thousandth pixel of image."""
    (height, width), (left, top, right, bottom) = batch.images.shape[-2:], image_part(batch, b, n)
    return tuple([k for k in range(count) if (k + 1) * pixels / count - 0.5 > low + 1e-3 and k * pixels / count - 0.5 < high - 1e-3]
                 for count, pixels, low, high in ((size[1], width, left, right), (size[0], height, top, bottom)))  # type: ignore[return-value]


def clamped(position: float, inside: list[int]) -> float:
    return min(max(position, inside[0]), inside[-1])


def camera_centre(batch: SensorBatch, b: int, n: int) -> Tensor:
    return torch.linalg.inv(batch.cam_T_ego[b, n])[:3, 3]


def deformable_self(module: DeformableSelfAttention, maps: Tensor, ok: Tensor | None = None) -> Tensor:
    config = module.config
    answers = []
    for one, here in zip(maps, torch.ones_like(maps[:, 0]) if ok is None else ok.to(maps.dtype), strict=True):
        tokens, there = coarse(one, config.stride), coarse(here[None], config.stride)[0] > 0
        channels, height, width = tokens.shape
        values = [by_pixel(module.value, by_pixel(module.norm, tokens)) * there]
        while len(values) < config.levels:
            values.append(coarse(values[-1], 2))
        added = []
        for i in range(height):
            for j in range(width):
                query = module.norm(tokens[:, i, j]) + module.position(numbers([place(j, width), place(i, height)]))
                offsets = module.offset(query).view(config.heads, config.levels, config.points, 2)
                weights = module.weight(query).view(config.heads, -1).softmax(-1).view(config.heads, config.levels, config.points)
                size, heads = channels // config.heads, []
                for head in range(config.heads):
                    total = torch.zeros(size, dtype=maps.dtype)
                    for level, value in enumerate(values):
                        for point in range(config.points):
                            column = (j + 0.5) * value.shape[2] / width - 0.5 + offsets[head, level, point, 0]
                            row = (i + 0.5) * value.shape[1] / height - 0.5 + offsets[head, level, point, 1]
                            sampled = bilinear(value[head * size:(head + 1) * size], column, row, False)
                            total = total + weights[head, level, point] * sampled
                    heads.append(total)
                attended = module.out(torch.cat(heads))
                added.append((attended + module.feed(tokens[:, i, j] + attended)) * there[i, j])
        answers.append(one + fine(torch.stack(added, 1).view(channels, height, width), (one.shape[1], one.shape[2])))
    return torch.stack(answers)


def bin_position(depth: float, edges_m: list[float]) -> float:
    for k, (low, high) in enumerate(pairwise(edges_m)):
        if depth < high:
            return k + max((depth - low) / (high - low), 0.0)
    return len(edges_m) - 1.0


def log_likelihood(share: Tensor, at: float) -> Tensor:
    """Of lying at a position among bins, in even shares: linear between the bins' centres."""
    centre = min(max(at - 0.5, 0.0), len(share) - 1.0)
    lower = min(math.floor(centre), len(share) - 2)
    return ((share[lower] * (1 - (centre - lower)) + share[lower + 1] * (centre - lower)) * len(share) + 0.02).log()


def image_to_bev(module: ImageToBev, bev: Tensor, perspective: Tensor, batch: SensorBatch, grid: BevGrid, logits: Tensor | None = None,
                 edges_m: Tensor | None = None) -> tuple[Tensor, list[int]]:
    """The answer, and how many cameras each coarse cell was seen by."""
    config = module.config
    (height, width), (h, w) = batch.images.shape[-2:], perspective.shape[-2:]
    coarse_grid, answers, seen_by = grid.coarser(config.stride), [], []
    for b in range(len(bev)):
        cells = coarse(bev[b], config.stride)
        channels, size_x, size_y = cells.shape
        keys = [by_pixel(module.key, by_pixel(module.norm_image, image)) for image in perspective[b]]
        values = [by_pixel(module.value, by_pixel(module.norm_image, image)) for image in perspective[b]]
        shares = [] if logits is None or edges_m is None else [
            depth_shares(logits[b, n], edges_m[b, n].tolist(), batch, b, n, config.completion_levels) for n in range(perspective.shape[1])]
        added = []
        for i in range(size_x):
            for j in range(size_y):
                x, y = centre_m(coarse_grid, i, j)
                inside = [(batch.points[b, p, 0] - x).abs() < coarse_grid.cell_m / 2 and (batch.points[b, p, 1] - y).abs() < coarse_grid.cell_m / 2
                          for p in range(batch.points.shape[1]) if batch.points_ok[b, p]]
                attends = config.cells == "seen" or not batch.lidar_ok[b] or any(inside)
                looks = []
                for z, height_m in enumerate(config.heights_m):
                    views = []
                    for n in range(perspective.shape[1]):
                        u, v, depth = pixel(batch, b, n, (x, y, height_m)) if batch.camera_ok[b, n] else (0.0, 0.0, -1.0)
                        if depth > 0.5 and sees(batch, b, n, u, v):
                            views.append((abs(u - (width - 1) / 2), n, u, v, depth))
                    looks += [(z, *view[1:]) for view in sorted(views)[:config.views]]
                seen_by.append(len({look[1] for look in looks}))
                query = module.query(module.norm_bev(cells[:, i, j]) + module.position(numbers([place(j, size_y), place(i, size_x)])))
                size, heads = channels // config.heads, []
                for head in range(config.heads):
                    part = slice(head * size, (head + 1) * size)
                    scores, samples = [module.nothing[head]], [torch.zeros(size, dtype=bev.dtype)]
                    for z, n, u, v, depth in looks if attends else []:
                        columns, rows = in_part(batch, b, n, (h, w))
                        at = (clamped((u + 0.5) * w / width - 0.5, columns), clamped((v + 0.5) * h / height - 0.5, rows))
                        scores.append((query[part] * bilinear(keys[n][part], *at, True)).sum() / math.sqrt(size) + module.height_bias[head, z])
                        if shares and edges_m is not None:
                            likely = log_likelihood(bilinear(shares[n], *at, True), bin_position(depth, edges_m[b, n].tolist()))
                            scores[-1] = scores[-1] + module.depth_weight[head] * likely
                        samples.append(bilinear(values[n][part], *at, True))
                    heads.append(sum(s * x for s, x in zip(torch.stack(scores).softmax(0), samples, strict=True)))
                added.append(module.out(torch.cat(heads)))
        answers.append(fine(torch.stack(added, 1).view(channels, size_x, size_y), (bev.shape[2], bev.shape[3])))
    return torch.stack(answers), seen_by


def azimuth(batch: SensorBatch, b: int, n: int, u: float, radius_m: float, height_m: float) -> float:
    """The direction from under the camera in which a point at that distance and height is seen in column `u`: by halving."""
    origin = camera_centre(batch, b, n)
    ahead = batch.cam_T_ego[b, n, 2, :2]
    heading = math.atan2(float(ahead[1]), float(ahead[0]))

    def column(angle: float) -> float:
        return pixel(batch, b, n, (float(origin[0]) + radius_m * math.cos(angle), float(origin[1]) + radius_m * math.sin(angle), height_m))[0]

    low, high = heading - 1.2, heading + 1.2  # to the right (large u), to the left (small u)
    for _ in range(60):
        middle = (low + high) / 2
        to_the_left = column(middle) > u if batch.intrinsics[b, n, 0, 0] > 0 else column(middle) < u
        low, high = (middle, high) if to_the_left else (low, middle)
    return (low + high) / 2


def multi_head(module: torch.nn.Module, tokens: list[Tensor], others: list[Tensor]) -> list[Tensor]:
    """What every token takes from the others (projected by the module)."""
    answers = []
    for token in tokens:
        query, size, heads = module.query(module.norm(token)), len(token) // module.heads, []
        for head in range(module.heads):
            part = slice(head * size, (head + 1) * size)
            logits = [(query[part] * module.key(other)[part]).sum() / math.sqrt(size) for other in others]
            share = torch.stack(logits).softmax(0) if logits else []
            heads.append(sum((s * module.value(other)[part] for s, other in zip(share, others, strict=True)), torch.zeros(size, dtype=token.dtype)))
        answers.append(module.out(torch.cat(heads)))
    return answers


def polar(module: PolarAttention, bev: Tensor, perspective: Tensor, batch: SensorBatch, grid: BevGrid) -> tuple[Tensor, list[int]]:
    """The answer, and how many cameras each coarse cell was seen by."""
    config, width = module.config, batch.images.shape[-1]
    h, w = perspective.shape[-2:]
    columns, size = w // config.column_stride, (bev.shape[-2], bev.shape[-1])
    radii = [config.first_m + k * config.step_m for k in range(config.bins)]
    answers, seen_by = [], []
    for b in range(len(bev)):
        maps: dict[int, Tensor] = {}
        for n in range(perspective.shape[1]):
            if not batch.camera_ok[b, n]:
                continue
            origin, rays = camera_centre(batch, b, n), []
            for k in range(columns):
                u = (k + 0.5) * width / columns - 0.5
                pixels = []
                in_columns, in_rows = in_part(batch, b, n, (h, columns))
                for row in in_rows if k in in_columns else []:
                    v = (row + 0.5) * batch.images.shape[-2] / h - 0.5
                    ray = torch.linalg.solve(batch.intrinsics[b, n] @ batch.cam_T_ego[b, n, :3, :3], numbers([u, v, 1.0]))
                    elevation = math.atan2(float(ray[2]), math.hypot(float(ray[0]), float(ray[1]))) / 0.5
                    feature = perspective[b, n, :, row, k * config.column_stride:(k + 1) * config.column_stride].mean(-1)
                    pixels.append(module.norm_image(feature) + module.elevation(numbers([elevation])))
                tokens, valid = [], []
                for radius in radii:
                    angle = azimuth(batch, b, n, u, radius, config.height_m)
                    x, y = float(origin[0]) + radius * math.cos(angle), float(origin[1]) + radius * math.sin(angle)
                    inside = grid.x_range_m[0] <= x <= grid.x_range_m[1] and grid.y_range_m[0] <= y <= grid.y_range_m[1]
                    at = ((y - grid.y_range_m[0]) / grid.cell_m - 0.5, (x - grid.x_range_m[0]) / grid.cell_m - 0.5)
                    cell = bilinear(bev[b], *at, False) if inside else torch.zeros(bev.shape[1]).double()
                    ground = -math.atan2(float(origin[2]), radius) / 0.5
                    tokens.append(module.norm_bev(cell) + module.place(numbers([radius / radii[-1], ground])))
                    valid.append(inside)
                others = [module.among.norm(token) for token, ok in zip(tokens, valid, strict=True) if ok]
                tokens = [a + x for a, x in zip(tokens, multi_head(module.among, tokens, others), strict=True)]
                looked = multi_head(module.look, tokens, pixels)
                rays.append(torch.stack([module.out(x + module.feed(a + x)) for a, x in zip(tokens, looked, strict=True)], 1))  # (C, R)
            maps[n] = torch.stack(rays, 2)  # (C, R, columns)
        coarse_grid, cells = grid.coarser(config.stride), []
        for i in range(coarse_grid.shape[0]):
            for j in range(coarse_grid.shape[1]):
                x, y = centre_m(coarse_grid, i, j)
                looks = []
                for n, polar_map in maps.items():
                    u, _, depth = pixel(batch, b, n, (x, y, config.height_m))
                    origin = camera_centre(batch, b, n)
                    radius = math.hypot(x - float(origin[0]), y - float(origin[1]))
                    at = (radius - config.first_m) / config.step_m
                    if depth > 0.5 and sees(batch, b, n, u) and -0.5 <= at < config.bins - 0.5:
                        column = clamped((u + 0.5) * columns / width - 0.5, in_part(batch, b, n, (1, columns))[0])
                        looks.append((abs(u - (width - 1) / 2), n, bilinear(polar_map, column, at, True)))
                looks = sorted(looks, key=lambda look: look[:2])[:config.views]
                seen_by.append(len(looks))
                cells.append(sum((look[2] for look in looks), torch.zeros(bev.shape[1]).double()) / max(len(looks), 1))
        answers.append(fine(torch.stack(cells, 1).view(-1, *coarse_grid.shape), size))
        assert answers[-1].shape[1:] == size
    return torch.stack(answers), seen_by


def lidar_depth(batch: SensorBatch, b: int, n: int, size: tuple[int, int], levels: int) -> list[list[float | None]]:
    """The nearest return in every pixel; holes take the mean inverse depth of the smallest block that has one."""
    (height, width), (h, w) = batch.images.shape[-2:], size
    nearest: list[list[float | None]] = [[None] * w for _ in range(h)]
    for p in range(batch.points.shape[1]):
        if not (batch.points_ok[b, p] and batch.lidar_ok[b] and batch.camera_ok[b, n]):
            continue
        u, v, depth = pixel(batch, b, n, tuple(batch.points[b, p, :3].tolist()))
        i, j = math.floor((v + 0.5) * h / height), math.floor((u + 0.5) * w / width)
        if depth > 0.1 and sees(batch, b, n, u, v) and (nearest[i][j] is None or depth < nearest[i][j]):
            nearest[i][j] = depth
    complete = [row[:] for row in nearest]
    for i in range(h):
        for j in range(w):
            for block in (2**level for level in range(1, levels + 1)):
                top, left = i // block * block, j // block * block
                found = [depth for row in nearest[top:top + block] for depth in row[left:left + block] if depth is not None]
                if complete[i][j] is None and found:
                    complete[i][j] = len(found) / sum(1 / depth for depth in found)
    return complete


def depth_shares(logits: Tensor, edges_m: list[float], batch: SensorBatch, b: int, n: int, levels: int) -> Tensor:
    """`(bins, h, w)`: by the LiDAR where it knows a pixel's depth within the bins, else by the logits."""
    shares = logits.softmax(0)
    for i, row in enumerate(lidar_depth(batch, b, n, (logits.shape[1], logits.shape[2]), levels)):
        for j, depth in enumerate(row):
            if depth is not None and edges_m[0] <= depth < edges_m[-1]:
                pixel_share = torch.zeros(len(logits), dtype=logits.dtype)
                pixel_share[math.floor(bin_position(depth, edges_m))] = 1.0
                shares = torch.cat([torch.cat([shares[:, i:i + 1, :j], pixel_share[:, None, None], shares[:, i:i + 1, j + 1:]], 2) if k == i
                                    else shares[:, k:k + 1] for k in range(shares.shape[1])], 1)
    return shares


def depth_quantile(share: list[float], edges_m: list[float], quantile: float) -> float:
    before = 0.0
    for k, p in enumerate(share):
        if before + p >= quantile:
            return edges_m[k] + (quantile - before) / p * (edges_m[k + 1] - edges_m[k])
        before += p
    return edges_m[-1]


def bev_to_image(module: BevToImage, perspective: Tensor, bev: Tensor, logits: Tensor, edges_m: Tensor, batch: SensorBatch,
                 grid: BevGrid) -> tuple[Tensor, list[int]]:
    """The answer, and per pixel whether it lay on the map (2: by the LiDAR, 1: by prediction, 0: not)."""
    config, answer, sources = module.config, torch.zeros_like(perspective), []
    (height, width), (h, w), channels = batch.images.shape[-2:], perspective.shape[-2:], perspective.shape[2]
    size, answers = channels // config.heads, []
    for b in range(len(bev)):
        value = by_pixel(module.value, by_pixel(module.norm_bev, coarse(bev[b], config.stride)))
        for n in range(perspective.shape[1]):
            if not batch.camera_ok[b, n]:
                answers.append(answer[b, n])
                continue
            measured = lidar_depth(batch, b, n, (h, w), config.completion_levels)
            pixels = []
            for i in range(h):
                for j in range(w):
                    u, v = (j + 0.5) * width / w - 0.5, (i + 0.5) * height / h - 0.5
                    ray = torch.linalg.solve(batch.intrinsics[b, n] @ batch.cam_T_ego[b, n, :3, :3], numbers([u, v, 1.0]))
                    query = module.norm_image(perspective[b, n, :, i, j]) + module.position(numbers([place(j, w), place(i, h)]))
                    offsets = module.offset(query).view(config.heads, config.depths, config.points, 2)
                    scores = module.weight(query).view(config.heads, config.depths, config.points)
                    places = []
                    for k in range(config.depths):
                        predicted = depth_quantile(logits[b, n, :, i, j].softmax(0).tolist(), edges_m[b, n].tolist(), (k + 0.5) / config.depths)
                        depth = predicted if measured[i][j] is None else measured[i][j]
                        x, y = (camera_centre(batch, b, n) + depth * ray)[:2].tolist()
                        if grid.x_range_m[0] <= x <= grid.x_range_m[1] and grid.y_range_m[0] <= y <= grid.y_range_m[1]:
                            cell_m = grid.cell_m * config.stride
                            places.append((k, (y - grid.y_range_m[0]) / cell_m - 0.5, (x - grid.x_range_m[0]) / cell_m - 0.5))
                    sources.append(0 if not places else 1 if measured[i][j] is None else 2)
                    heads = []
                    for head in range(config.heads):
                        total = torch.zeros(size, dtype=bev.dtype)
                        share = torch.stack([scores[head, k, p] for k, _, _ in places for p in range(config.points)]).softmax(0) if places else []
                        for index, (k, column, row) in enumerate(places):
                            for p in range(config.points):
                                dx, dy = offsets[head, k, p]
                                sampled = bilinear(value[head * size:(head + 1) * size], column + dx, row + dy, False)
                                total = total + share[index * config.points + p] * sampled
                        heads.append(total)
                    pixels.append(module.out(torch.cat(heads)))
            answers.append(torch.stack(pixels, 1).view(channels, h, w))
    return torch.stack(answers).view(perspective.shape), sources
