"""WDRNet: published sizes and names, cells that decode what they encode, labels by quota, losses, and an image's way to a pose."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.geometry.cameras import project
from workbench.geometry.meshes import box_corners
from workbench.geometry.rotations import random_rotations, rotation_angle
from workbench.models.pose import (
    Cells,
    PosePredictor,
    PoseTargets,
    SelectionConfig,
    WdrOutput,
    box_of,
    cell_labels,
    check_same_task,
    crop_around,
    focal_loss,
    load_imagenet_backbone,
    load_official_checkpoint,
    object_space_loss,
    positive_votes,
    quota,
    select_votes,
    wdrnet,
    wdrnet_loss,
)
from workbench.models.pose.cells import to_crop, to_image

K = np.array([[572.4, 0, 325.3], [0, 573.6, 242.0], [0, 0, 1]])
CORNERS = box_corners([[-38, -39, -45], [38, 39, 45]])
DIAMETER = float(np.linalg.norm(CORNERS[7] - CORNERS[0]))
STRIDES, SIZES = (8, 16, 32, 64), (32, 64, 128, 256)
GRIDS = [(32, 32), (16, 16), (8, 8), (4, 4)]


def scene(seed: int, count: int = 2) -> tuple[PoseTargets, list, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    rotations = random_rotations(count, generator)
    shifts = np.column_stack([generator.uniform(-60, 60, (count, 2)), generator.uniform(500, 900, count)])
    crops, masks = [], []
    for rotation, shift in zip(rotations, shifts, strict=True):
        box = box_of(project(CORNERS, K, rotation, shift))
        crops.append(crop_around(box, (640, 480), generator=generator))
        mask = np.zeros((480, 640), bool)
        x0, y0, x1, y1 = box.astype(int)
        mask[y0 + 5 : y1 - 5, x0 + 5 : x1 - 5] = True
        masks.append(crops[-1].mask(mask))
    corners = CORNERS @ np.swapaxes(rotations, 1, 2) + shifts[:, None]
    targets = PoseTargets(
        torch.stack(masks),
        torch.zeros(count, dtype=torch.long),
        torch.tensor(corners).float(),
        torch.tensor(K).float().expand(count, 3, 3),
        torch.tensor(np.stack([crop.affine for crop in crops])).float(),
        torch.full((count,), DIAMETER),
    )
    return targets, crops, rotations, shifts


def perfect(targets: PoseTargets) -> WdrOutput:
    """Return the output of a network that is right: every cell votes for the truth, and those on the object are sure."""
    cells = Cells.of(GRIDS, STRIDES, SIZES)
    points = to_crop(targets.pixels, targets.affine)
    offsets = cells.encode(points[:, None].expand(-1, len(cells), -1, -1))
    column, row = cells.centres.long().unbind(1)
    logits = torch.where(targets.masks[:, row, column], 4.0, -6.0)[..., None]
    return WdrOutput(logits, offsets[:, :, None], cells, [])


@pytest.mark.parametrize(
    "name, parameters, levels, classifier",
    [
        ("darknet53", 51_553_246, 5, 1_025_000),
        ("darknet_tiny", 7_937_486, 4, 129_000),
        ("darknet_tiny_h", 2_030_054, 4, 65_000),
    ],
)
def test_published_sizes(name, parameters, levels, classifier):
    """The published files count the ImageNet classifier, which no pose network runs."""
    with torch.device("meta"):
        model = wdrnet(name)
    assert sum(one.numel() for one in model.parameters()) + classifier == parameters
    assert (len(model.sizes), model.strides[-1]) == (levels, 8 * 2 ** (levels - 1))


def test_published_names():
    with torch.device("meta"):
        tiny, large = (set(wdrnet(name, 15).state_dict()) for name in ("darknet_tiny", "darknet53"))
    for names in (tiny, large):
        assert {
            "fpn.inner_convs.2.weight", "fpn.out_convs.3.bias", "fpn.top_blocks.p6.weight", "fpn.top_blocks.p7.bias",
            "head.cls_tower.0.weight", "head.cls_tower.10.bias", "head.pose_tower.9.weight", "head.cls_logits.bias",
            "head.pose_pred.weight", "head.scales.4.scale",
        } <= names  # fmt: skip
    assert "backbone.features.stage5.unit5.bn.running_var" in tiny
    assert {"backbone.features.init_block.conv.weight", "backbone.features.stage4.unit9.conv2.bn.weight"} <= large
    assert "fpn.inner_convs.4.weight" in large - tiny


def test_a_published_file_loads_by_name_and_gives_its_outputs(tmp_path):
    torch.manual_seed(0)
    source, model = wdrnet("darknet_tiny_h", 2).eval(), wdrnet("darknet_tiny_h", 2).eval()
    extra = {
        "backbone.output.final_conv.weight": torch.zeros(1000, 64, 1, 1),
        "anchor_generator.cell_anchors.0": torch.zeros(1, 4),
    }
    torch.save({"steps": 7, "model": source.state_dict() | extra, "optim": {}}, tmp_path / "latest.pth")
    report = load_official_checkpoint(model, tmp_path / "latest.pth")
    assert report.complete
    assert report.ignored == tuple(extra)
    crops = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        first, second = source(crops), model(crops)
    assert torch.equal(first.logits, second.logits)
    assert torch.equal(first.offsets, second.offsets)
    with pytest.raises(ValueError, match=r"head.cls_logits.weight has shape"):
        load_official_checkpoint(wdrnet("darknet_tiny_h", 3), tmp_path / "latest.pth")
    trunk = {
        name.removeprefix("backbone."): value
        for name, value in source.state_dict().items()
        if name.startswith("backbone")
    }
    torch.save(trunk | {"output.final_conv.bias": torch.zeros(1000)}, tmp_path / "imagenet.pth")
    report = load_imagenet_backbone(model, tmp_path / "imagenet.pth")
    assert (report.complete, report.ignored) == (True, ("output.final_conv.bias",))


def test_levels_of_the_output_are_those_of_the_cells():
    model = wdrnet("darknet_tiny_h", 3)
    output = model(torch.zeros(2, 3, 64, 96))
    assert [tuple(one.shape[1:]) for one in output.features] == [(128, 8, 12), (128, 4, 6), (128, 2, 3), (128, 1, 2)]
    assert output.logits.shape == (2, len(output.cells), 3)
    assert output.offsets.shape == (2, len(output.cells), 3, 16)
    assert output.cells.centres[96 + 7].tolist() == [24.0, 24.0]
    assert torch.sigmoid(output.logits).mean().item() == pytest.approx(0.01, abs=0.003)
    with pytest.raises(ValueError, match=r"multiples of 16, got \(2, 3, 60, 64\)"):
        model(torch.zeros(2, 3, 60, 64))
    with pytest.raises(ValueError, match=r"backbone must be one of darknet53, .* got 'vgg'"):
        wdrnet("vgg")
    with pytest.raises(ValueError, match="num_classes must be at least 1"):
        wdrnet("darknet_tiny", 0)


def test_teacher_and_student_must_name_the_same_objects():
    with torch.device("meta"):
        teacher, student, other = wdrnet("darknet_tiny", 2), wdrnet("darknet_tiny_h", 2), wdrnet("darknet_tiny_h", 3)
    check_same_task(student, teacher)
    with pytest.raises(ValueError, match="student has 3 outputs and the teacher 2"):
        check_same_task(other, teacher)


@given(seed=st.integers(0, 999))
@settings(deadline=None, max_examples=20)
def test_cells_decode_what_they_encode_and_crops_lead_back(seed):
    generator = torch.Generator().manual_seed(seed)
    cells = Cells.of(GRIDS, STRIDES, SIZES)
    points = 300 * torch.rand(2, len(cells), 8, 2, generator=generator)
    torch.testing.assert_close(cells.decode(cells.encode(points)), points, atol=1e-3, rtol=0)
    affine = torch.tensor([[[1.3, 0.2, -50.0], [-0.2, 1.3, 20.0]], [[0.7, 0, 3.0], [0, 0.7, 9.0]]])
    torch.testing.assert_close(to_image(to_crop(points, affine), affine), points, atol=1e-3, rtol=0)


def test_quota_is_the_published_one_and_follows_the_size():
    spans = torch.tensor([170.67, 100.0, 20.0])
    assert quota(spans, SIZES).tolist() == [[0, 1, 5, 4], [0, 4, 5, 1], [9, 1, 0, 0]]
    assert (quota(torch.tensor([32.0, 64, 128, 256]), SIZES).argmax(1) == torch.arange(4)).all()
    with pytest.raises(ValueError, match=r"spans must be positive pixels, got \[nan\]"):
        quota(torch.tensor([math.nan]), SIZES)


def test_labels_draw_the_quota_among_cells_on_the_object():
    targets, *_ = scene(0, count=6)
    cells = Cells.of(GRIDS, STRIDES, SIZES)
    labels = cell_labels(cells, targets, SIZES, torch.Generator().manual_seed(0))
    column, row = cells.centres.long().unbind(1)
    inside = targets.masks[:, row, column]
    assert ((labels == 0) == ~inside).all()
    wanted = quota(targets.spans, SIZES)
    for level in range(4):
        here = cells.levels == level
        positive = (labels[:, here] == 1).sum(1)
        assert torch.equal(positive, torch.minimum(wanted[:, level], inside[:, here].sum(1)))
    again = cell_labels(cells, targets, SIZES, torch.Generator().manual_seed(0))
    other = cell_labels(cells, targets, SIZES, torch.Generator().manual_seed(1))
    assert torch.equal(labels, again)
    assert not torch.equal(labels, other)


def test_every_candidate_is_drawn_equally_often():
    targets, *_ = scene(3, count=1)
    cells, drawn = Cells.of(GRIDS, STRIDES, SIZES), 0
    generator = torch.Generator().manual_seed(0)
    for _ in range(400):
        drawn = drawn + (cell_labels(cells, targets, SIZES, generator) == 1).float()
    counts = drawn[0, cells.levels == 2]
    counts = counts[counts > 0]
    expected = counts.mean()
    assert (counts - expected).abs().max() < 6 * expected.sqrt()


def test_the_right_votes_cost_nothing_and_a_shift_costs_more_far_away():
    targets, *_ = scene(1)
    output = perfect(targets)
    labels = cell_labels(output.cells, targets, SIZES, torch.Generator().manual_seed(0))
    loss = wdrnet_loss(output, targets, labels)
    assert loss.regression.item() == pytest.approx(0, abs=1e-5)
    assert loss.positives == int((labels == 1).sum()) > 10
    torch.testing.assert_close(loss.total, 0.1 * loss.classification + loss.regression)
    votes = positive_votes(output, targets, labels)
    image = (labels > 0).nonzero()[:, 0]
    torch.testing.assert_close(votes, targets.pixels[image], atol=0.01, rtol=0)
    corners = torch.tensor(CORNERS).float()[None]
    costs = []
    for depth in (500.0, 1000.0):
        placed = corners + torch.tensor([0, 0, depth])
        seen = placed @ torch.tensor(K).float().T
        pixels = seen[..., :2] / seen[..., 2:] + torch.tensor([3.0, 0])
        costs.append(object_space_loss(pixels, placed, torch.tensor(K).float()[None], torch.tensor([DIAMETER])).item())
    assert costs[1] > 1.8 * costs[0]


def test_object_space_loss_is_the_distance_to_the_ray():
    """A vote 0.1 d off to the side: linear above 0.02 d, a third of the coordinates."""
    far = torch.tensor([[[0.0, 0.0, 1e4]]]).expand(1, 8, 3)
    intrinsics = torch.eye(3)[None]
    offset = 10.0 / 1e4
    pixels = torch.tensor([[[offset, 0.0]]]).expand(1, 8, 2)
    found = object_space_loss(pixels, far, intrinsics, torch.tensor([100.0]))
    assert found.item() == pytest.approx((0.1 - 0.01) / 3, rel=1e-3)


def test_focal_loss_equals_its_definition():
    torch.manual_seed(0)
    logits, labels = torch.randn(50, 3), torch.randint(-1, 4, (50,))
    expected = 0.0
    for row, label in zip(logits, labels, strict=True):
        if label < 0:
            continue
        for place, value in enumerate(row, 1):
            p = torch.sigmoid(value).item()
            expected -= 0.25 * (1 - p) ** 2 * math.log(p) if place == label else 0.75 * p**2 * math.log(1 - p)
    assert focal_loss(logits, labels).item() == pytest.approx(expected, rel=1e-5)


def test_no_positive_cell_gives_zero_with_gradient():
    targets, *_ = scene(2)
    output = wdrnet("darknet_tiny_h")(torch.zeros(2, 3, 256, 256))
    empty = PoseTargets(
        torch.zeros_like(targets.masks), *(getattr(targets, name) for name in list(targets.__dataclass_fields__)[1:])
    )
    labels = cell_labels(output.cells, empty, SIZES)
    loss = wdrnet_loss(output, empty, labels)
    assert (loss.positives, loss.regression.item()) == (0, 0)
    loss.total.backward()
    with pytest.raises(ValueError, match="targets have class 1; the network has 1"):
        wdrnet_loss(output, targets, labels + 2)


@pytest.mark.parametrize("seed", range(3))
def test_right_votes_give_the_right_pose(seed):
    targets, _, rotations, shifts = scene(seed)
    output = perfect(targets)
    predictor = PosePredictor(wdrnet("darknet_tiny_h"), CORNERS[None])
    chosen = select_votes(output, targets.affine, targets.classes, SIZES)
    for image, votes in enumerate(chosen):
        assert 8 <= len(votes.scores) <= 12
        wanted = quota(targets.spans[image : image + 1], SIZES)[0]
        assert (torch.bincount(votes.levels, minlength=4) <= wanted).all()
        pose = predictor.solve(votes, K, 0, 640)
        assert pose.success
        assert rotation_angle(pose.rotation, rotations[image]) < 0.01
        np.testing.assert_allclose(pose.translation, shifts[image], atol=2)
        assert pose.score == pytest.approx(math.sqrt(torch.sigmoid(torch.tensor(4.0)).item()))


def test_an_image_without_a_sure_cell_gives_no_pose():
    predictor = PosePredictor(wdrnet("darknet_tiny_h"), CORNERS[None], size=64)
    found = predictor.predict(np.zeros((48, 64, 3), np.uint8), (10, 10, 40, 30), K, box_from="truth")
    assert not found.pose.success
    assert (len(found.votes.scores), found.box_from) == (0, "truth")
    eager = PosePredictor(wdrnet("darknet_tiny_h"), CORNERS[None], size=64, selection=SelectionConfig(threshold=0))
    assert len(eager.predict(np.zeros((48, 64, 3), np.uint8), (10, 10, 40, 30), K).votes.scores) > 0


def test_crops_show_the_box_and_are_zero_beside_the_image():
    image = np.full((480, 640, 3), 255, np.uint8)
    crop = crop_around((0, 0, 100, 100), (640, 480))
    seen = crop.image(image)
    assert seen.shape == (3, 256, 256)
    assert seen[:, 0, 0].tolist() == [0, 0, 0]
    assert seen[0, 128, 128].item() == pytest.approx((1 - 0.485) / 0.229)
    corners = np.array([[0, 0], [100, 100]]) @ crop.affine[:, :2].T + crop.affine[:, 2]
    np.testing.assert_allclose(corners, [[128 - 256 / 3] * 2, [128 + 256 / 3] * 2])
    assert crop_around((0, 0, 630, 400), (640, 480)).side == 640
    jittered = [
        crop_around((100, 100, 200, 150), (640, 480), generator=np.random.default_rng(s)).side for s in range(50)
    ]
    assert 112.5 <= min(jittered) < 120
    assert 180 < max(jittered) <= 187.5


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: crop_around((5, 5, 5, 9), (640, 480)), "box must be x0 < x1"),
        (lambda: crop_around((math.nan, 5, 6, 9), (640, 480)), "box must be x0 < x1"),
        (lambda: crop_around((0, 0, 9, 9), (9, 9)).image(np.zeros((9, 9), np.uint8)), r"uint8 \(height, width, 3\)"),
        (lambda: PosePredictor(wdrnet("darknet_tiny_h"), CORNERS), r"corners must be \(1, 8, 3\), got \(8, 3\)"),
        (lambda: SelectionConfig(threshold=1.0), r"threshold must be in \[0, 1\)"),
        (lambda: SelectionConfig(number=0), "number must be at least 1"),
    ],
)
def test_what_cannot_be_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_targets_that_cannot_be_are_named():
    targets, *_ = scene(0)
    fields = {name: getattr(targets, name) for name in targets.__dataclass_fields__}
    for change, message in (
        ({"corners": -targets.corners}, "corners must lie in front of the camera"),
        ({"masks": targets.masks.float()}, r"masks must be boolean \(2, height, width\), got torch.float32"),
        ({"diameters": torch.ones(3)}, r"diameters must be \(2,\), got \(3,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            PoseTargets(**fields | change)
