"""Standing in for an absent modality: the control changes nothing, the prediction rests on what is present alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fusion.interaction.absent import AbsentConfig, AbsentModality, _Layer

CAMERA_OK, LIDAR_OK = torch.tensor([True, True, True, False, False]), torch.tensor([True, True, False, True, False])
NONE = torch.zeros(5, dtype=torch.bool)


def first(index: int) -> Tensor:
    return torch.arange(5) == index


def maps(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Camera (3 channels) and LiDAR (2) maps of five samples: both, both, cameras only, LiDAR only, none."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(5, 3, 8, 12, generator=generator), torch.randn(5, 2, 8, 12, generator=generator)


def made(**settings: float) -> AbsentModality:
    torch.manual_seed(2)
    return AbsentModality(AbsentConfig(kind="predict", tokens=4, channels=8, heads=2, memory=3, layers=1, **settings), 3, 2)  # type: ignore[arg-type]


def filled(value: Tensor, absent: Tensor, fill: float) -> Tensor:
    return torch.where(absent[:, None, None, None], fill, value)


@pytest.mark.parametrize("training", [True, False])
def test_zero_fill_is_identical_to_no_module(training: bool) -> None:
    module = AbsentModality(AbsentConfig(), 3, 2).train(training)
    camera, lidar = maps()
    camera, lidar = filled(camera, ~CAMERA_OK, 0.0), filled(lidar, ~LIDAR_OK, 0.0)  # as encoders hand them over
    state = torch.get_rng_state()
    got_camera, got_lidar, loss = module(camera.requires_grad_(), CAMERA_OK, lidar, LIDAR_OK)
    assert torch.equal(got_camera, camera) and torch.equal(got_lidar, lidar) and loss is None
    assert not list(module.state_dict()) and torch.equal(torch.get_rng_state(), state)
    weight = torch.randn(5, 3, 8, 12) * CAMERA_OK[:, None, None, None]
    (gradient,) = torch.autograd.grad((got_camera * weight).sum(), camera)
    assert torch.equal(gradient, weight)
    seen = torch.rand(5, 1, 8, 12).round()
    assert all(a is b for a, b in zip(module.presence(CAMERA_OK, seen, LIDAR_OK), (CAMERA_OK, seen, LIDAR_OK), strict=True))


def test_prediction_replaces_what_is_absent_and_nothing_else() -> None:
    camera, lidar = maps()
    with torch.no_grad():
        got_camera, got_lidar, loss = made().eval()(camera, CAMERA_OK, lidar, LIDAR_OK)
    assert loss is None
    assert torch.equal(got_camera[CAMERA_OK], camera[CAMERA_OK]) and torch.equal(got_lidar[LIDAR_OK], lidar[LIDAR_OK])
    assert got_camera[3].any() and got_lidar[2].any()
    assert not got_camera[4].any() and not got_lidar[4].any()  # from nothing comes nothing
    camera_ok, seen, lidar_ok = made().presence(CAMERA_OK, filled(torch.zeros(5, 1, 8, 12), first(0), 1.0), LIDAR_OK)
    assert camera_ok.tolist() == lidar_ok.tolist() == [True, True, True, True, False]
    assert seen.flatten(1).mean(dim=1).tolist() == [1, 0, 0, 1, 0]


@pytest.mark.parametrize("poison", [math.nan, math.inf])
@pytest.mark.parametrize("training", [True, False])
def test_what_absent_sensors_hold_changes_nothing(poison: float, training: bool) -> None:
    module, found = made().train(training), []
    for fill in (0.0, poison):
        camera, lidar = maps()
        camera, lidar = filled(camera, ~CAMERA_OK, fill).requires_grad_(), filled(lidar, ~LIDAR_OK, fill).requires_grad_()
        got_camera, got_lidar, loss = module(camera, CAMERA_OK, lidar, LIDAR_OK, hidden=(first(0), first(1)))
        total = got_camera.square().sum() + got_lidar.square().sum() + (0 if loss is None else loss)
        found.append([got_camera, got_lidar, *torch.autograd.grad(total, [camera, lidar, *module.parameters()])])
    assert all(torch.equal(a, b) and a.isfinite().all() for a, b in zip(*found, strict=True))
    assert not found[1][2][~CAMERA_OK].any() and not found[1][3][~LIDAR_OK].any()


def test_hidden_on_purpose_is_predicted_as_if_it_were_absent() -> None:
    module, (camera, lidar) = made(), maps()
    with torch.no_grad():
        hidden_camera, hidden_lidar, _ = module.train()(camera, CAMERA_OK, lidar, LIDAR_OK, hidden=(first(0), first(1)))
        absent_camera, absent_lidar, _ = module.eval()(camera, CAMERA_OK & ~first(0), lidar, LIDAR_OK & ~first(1))
    assert torch.equal(hidden_camera, absent_camera) and torch.equal(hidden_lidar, absent_lidar)


def test_reconstruction_compares_only_where_both_were_present() -> None:
    module, (camera, lidar) = made(weight=0.5).train(), maps()
    seen = (torch.rand(5, 1, 8, 12, generator=torch.Generator().manual_seed(5)) < 0.5).float()
    everything = torch.ones(5, dtype=torch.bool)
    # Asked to hide everywhere: sample 0 and 1 have both (camera goes first); the others have no target, or no source.
    got_camera, got_lidar, loss = module(camera, CAMERA_OK, lidar, LIDAR_OK, seen=seen, hidden=(everything, everything))
    squares = [(float(got_camera[b, c, x, y]) - float(camera[b, c, x, y])) ** 2
               for b in (0, 1) for c in range(3) for x in range(8) for y in range(12) if seen[b, 0, x, y]]
    assert float(loss) == pytest.approx(0.5 * sum(squares) / len(squares), rel=1e-5)
    assert torch.equal(got_lidar[:2], lidar[:2])
    _, got_lidar, loss = module(camera, CAMERA_OK, lidar, LIDAR_OK, seen=seen, hidden=(NONE, first(1) | first(3) | first(4)))
    assert float(loss) == pytest.approx(0.5 * float((got_lidar[1] - lidar[1]).square().mean()), rel=1e-5)


def test_reconstruction_teaches_the_predictor_and_does_not_bend_its_target() -> None:
    module, (camera, lidar) = made().train(), maps()
    *_, loss = module(camera.requires_grad_(), CAMERA_OK, lidar.requires_grad_(), LIDAR_OK, hidden=(first(0), NONE))
    to_camera, to_lidar = torch.autograd.grad(loss, [camera, lidar], retain_graph=True)
    assert not to_camera.any() and to_lidar[0].any() and not to_lidar[1:].any()
    taught = torch.autograd.grad(loss, list(module.to_camera.parameters()))
    assert all(gradient.any() for gradient in taught)


def test_no_loss_where_nothing_was_hidden() -> None:
    module, (camera, lidar) = made().train(), maps()
    for camera_ok, lidar_ok in ((CAMERA_OK, LIDAR_OK), (~NONE, ~NONE)):
        *_, loss = module(camera, camera_ok, lidar, lidar_ok, hidden=(NONE, NONE))
        assert loss.dtype == torch.float32 and float(loss) == 0
    state = torch.get_rng_state()
    assert module.eval()(camera, CAMERA_OK, lidar, LIDAR_OK)[2] is None
    assert torch.equal(torch.get_rng_state(), state)


def test_hiding_is_drawn_as_often_as_said_and_only_from_samples_with_both() -> None:
    torch.manual_seed(0)
    count = 20000
    camera_ok, lidar_ok = torch.ones(count, dtype=torch.bool), torch.arange(count) % 2 == 0
    camera, lidar = made(hide=0.6).draw_hidden(camera_ok, lidar_ok)
    assert not (camera & lidar).any() and not (camera | lidar)[1::2].any()
    deviation = math.sqrt(0.3 * 0.7 / (count / 2))
    for drawn in (camera, lidar):
        assert float(drawn[::2].float().mean()) == pytest.approx(0.3, abs=4 * deviation)
    camera, lidar = made(hide=1.0).draw_hidden(camera_ok, camera_ok)
    assert (camera ^ lidar).all()
    camera, lidar = made(hide=0.0).draw_hidden(camera_ok, camera_ok)
    assert not (camera | lidar).any()


def test_transformer_layer_equals_loops() -> None:
    torch.manual_seed(3)
    layer, x = _Layer(4, 2), torch.randn(2, 3, 4, requires_grad=True)
    rows = []
    for sample in x:
        normal = layer.norm_attention(sample)
        mixed = []
        for t in range(3):
            heads = []
            for h in range(2):
                rows_of = [slice(4 * part + 2 * h, 4 * part + 2 * h + 2) for part in range(3)]
                query, key, value = (normal @ layer.qkv.weight[own].T + layer.qkv.bias[own] for own in rows_of)
                scores = torch.stack([(query[t] * key[s]).sum() / math.sqrt(2) for s in range(3)]).exp()
                heads.append(sum(scores[s] / scores.sum() * value[s] for s in range(3)))
            mixed.append(layer.mix(torch.cat(heads)))
        after = sample + torch.stack(mixed)
        rows.append(after + layer.feed(layer.norm_feed(after)))
    wanted, got = torch.stack(rows), layer(x)
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)
    for one, other in zip(*(torch.autograd.grad(y.sin().sum(), [x, *layer.parameters()]) for y in (got, wanted)), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="predicting one modality from the other needs both encoders, got camera_channels 0"):
        AbsentModality(AbsentConfig(kind="predict"), 0, 4)
    with pytest.raises(ValueError, match="channels: expected a multiple of heads 5, got 48"):
        AbsentConfig(heads=5)
    with pytest.raises(ValueError, match="hide, weight: expected"):
        AbsentConfig(hide=1.5)
    camera, lidar = maps()
    with pytest.raises(ValueError, match="absent.tokens: expected a divisor of the BEV map's 7x12 cells, got 4"):
        made().eval()(camera[:, :, :7], CAMERA_OK, lidar[:, :, :7], LIDAR_OK)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_numbers_stay_finite_on_a_large_map(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    module = AbsentModality(AbsentConfig(kind="predict", channels=16, heads=2, layers=1), 4, 4).train().to(dtype)
    camera, lidar = torch.randn(2, 2, 4, 256, 256).mul(30).to(dtype)
    one, none = torch.tensor([True, False]), torch.zeros(2, dtype=torch.bool)
    parts = module(camera, one, lidar, ~none, hidden=(one, none))
    assert all(part.isfinite().all() for part in parts)


def test_graph_exports_without_data_dependent_operations() -> None:
    module, (camera, lidar) = made().eval(), maps()
    exported = torch.export.export(module, (camera, CAMERA_OK, lidar, LIDAR_OK))
    names = {str(node.target) for node in exported.graph.nodes if node.op == "call_function"}
    assert not [name for name in names if any(word in name for word in ("nonzero", "scatter", "masked_select", "index_put", "linalg"))]
    for got, wanted in zip(exported.module()(camera, CAMERA_OK, lidar, LIDAR_OK)[:2], module(camera, CAMERA_OK, lidar, LIDAR_OK)[:2], strict=True):
        torch.testing.assert_close(got, wanted)
