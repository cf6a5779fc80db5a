from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.models import resnet50

from workbench.datasets import DriveConfig, read_nuscenes, read_nuscenes_map, write_drives
from workbench.models.m2bev import (
    ImagePretraining,
    InferenceConfig,
    LossConfig,
    M2BevConfig,
    M2BevOutput,
    MaxIouConfig,
    collate,
    decode_boxes,
    detections,
    encode_boxes,
    ground,
    load_image_encoder,
    load_official_checkpoint,
    m2bev_loss,
    m2bev_r50,
    m2bev_tiny,
    m2bev_x101,
    prepare,
    project_features,
)
from workbench.models.m2bev.anchors import direction_bins
from workbench.models.m2bev.heads import AnchorOutput
from workbench.models.m2bev.image_encoder import DeformableResNet
from workbench.models.m2bev.layers import DeformableConv


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drive") / "toy"
    config = DriveConfig(train=1, val=0, samples=2, width=96, height=56, rays=1)
    opened = read_nuscenes(write_drives(folder, config))
    return opened, read_nuscenes_map(folder, "boston-seaport")


def test_published_names_and_sizes():
    with torch.device("meta"):
        state, large = m2bev_r50().state_dict(), m2bev_x101().state_dict()
    expected = {
        "backbone.layer2.0.conv2.conv_offset.weight": (18, 128, 3, 3),
        "backbone.layer4.2.conv2.weight": (512, 512, 3, 3),
        "backbone.layer1.0.downsample.1.running_var": (256,),
        "neck.lateral_convs.3.conv.weight": (64, 2048, 1, 1),
        "neck.fpn_convs.0.bn.bias": (64,),
        "neck_fuse.weight": (64, 256, 3, 3),
        "neck_fuse.bias": (64,),
        "neck_3d.model.0.conv0.conv.weight": (768, 768, 3, 3),
        "neck_3d.model.0.conv1.bn.weight": (768,),
        "neck_3d.model.1.conv.weight": (256, 768, 3, 3),
        "neck_3d.model.12.conv1.conv.weight": (256, 256, 3, 3),
        "neck_3d.model.13.bn.bias": (256,),
        "seg_head.convs.3.conv.weight": (256, 256, 3, 3),
        "seg_head.conv_seg.weight": (2, 256, 1, 1),
        "bbox_head.conv_cls.weight": (80, 256, 1, 1),
        "bbox_head.conv_reg.weight": (72, 256, 1, 1),
        "bbox_head.conv_dir_cls.bias": (16,),
        "bbox_head_2d.cls_convs.0.conv.weight": (32, 64, 3, 3),
        "bbox_head_2d.reg_convs.1.gn.weight": (32,),
        "bbox_head_2d.conv_centerness.weight": (1, 32, 3, 3),
        "bbox_head_2d.scales.3.scale": (),
    }
    assert {name: tuple(state[name].shape) for name in expected} == expected
    assert not any(name.startswith(("neck_3d.model.14", "backbone.fc", "anchors")) for name in state)
    assert tuple(large["backbone.layer3.22.conv2.weight"].shape) == (1024, 16, 3, 3)
    assert tuple(large["neck_fuse.weight"].shape) == (96, 512, 3, 3)
    assert tuple(large["neck_3d.model.0.conv0.conv.weight"].shape) == (1152, 1152, 3, 3)


def test_the_backbone_starts_as_an_ordinary_resnet_whose_first_stage_and_statistics_are_frozen():
    theirs, ours = resnet50().eval(), DeformableResNet((3, 4, 6, 3)).train()
    ours.load_state_dict({k: v for k, v in theirs.state_dict().items() if not k.startswith("fc.")}, strict=False)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(images))))
        for stage in range(1, 5):
            expected = getattr(theirs, f"layer{stage}")(expected)
        torch.testing.assert_close(ours(images)[3], expected, rtol=1e-3, atol=1e-3)
    assert not ours.bn1.training
    assert not any(value.requires_grad for value in ours.layer1.parameters())
    assert ours.layer2[0].conv2.conv_offset.weight.requires_grad


def test_offsets_move_the_taps_by_y_then_x():
    convolution = DeformableConv(1, 1)
    torch.nn.init.zeros_(convolution.weight)
    convolution.weight.data[0, 0, 1, 1] = 1.0
    convolution.conv_offset.bias.data[8] = 2.0  # y of the fifth tap, the middle
    image = torch.arange(49.0).reshape(1, 1, 7, 7)
    assert torch.equal(convolution(image)[0, 0, :5], image[0, 0, 2:])


def test_a_drive_goes_through_the_network_and_every_part_learns(drive):
    folder, roads = drive
    torch.manual_seed(0)
    model = m2bev_tiny()
    batch = [prepare(model, folder.sample(token), roads) for token in folder.tokens()]
    images, tables, targets = collate(batch)
    assert images.shape == (2, 6, 3, 64, 96)
    output = model(images, tables, image_boxes=True)
    assert output.bev.shape == (2, 64, 48, 48)
    assert output.ground.shape == targets.ground.shape == (2, 2, 48, 48)
    assert output.boxes.logits.shape == (2, 48 * 48 * 8, 10)
    terms = m2bev_loss(model, output, targets)
    assert len(terms) == 7
    sum(terms.values()).backward()
    assert all(value.grad is not None and value.grad.isfinite().all() for value in model.parameters())
    fixed = m2bev_loss(model, output, targets, LossConfig(MaxIouConfig(), detection=0.0))
    assert sum(fixed[name] for name in fixed if name.startswith("detection")) == 0
    assert ground(output).min() >= 0


def test_a_few_steps_lower_the_loss_of_one_sample(drive):
    folder, roads = drive
    torch.manual_seed(0)
    model = m2bev_tiny().train()
    images, tables, targets = collate([prepare(model, folder.sample(folder.tokens()[0]), roads)])
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    totals = []
    for _ in range(8):
        optimizer.zero_grad()
        total = sum(m2bev_loss(model, model(images, tables, True), targets).values())
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < 0.8 * totals[0]


def test_a_car_ahead_left_is_in_the_same_place_in_the_volume_the_anchors_and_the_boxes(drive):
    """Light up the pixels of one car at (12, 4): cells there are lit; and anchors and detections speak of the same cells."""
    folder, _ = drive
    model = m2bev_tiny()
    sample = folder.sample(folder.tokens()[0])
    camera = sample.cameras["CAM_FRONT"]
    pixel = camera.intrinsics @ (camera.cam_from_ego @ [11.5, 4.5, 1.25, 1.0])[:3]
    u, v = pixel[:2] / pixel[2]
    features = torch.zeros(1, 1, 1, 14, 24)
    features[0, 0, 0, round(v / 4), round(u / 4)] = 1.0
    table = model.table(
        torch.from_numpy(camera.intrinsics)[None], torch.from_numpy(camera.cam_from_ego)[None], (56, 96)
    )
    volume = project_features(features, [table])[0, :, :, 1, 0]  # z from 0.5 to 2 m
    x, y = (torch.nonzero(volume)[:, axis].double() - 23.5 for axis in (0, 1))
    assert len(x)
    assert bool((x > 0).all())
    assert bool((y > 0).all())  # ahead, left: nowhere else
    assert ((x - 12).abs() + (y - 4).abs()).min() < 2
    column, row = model.config.map_grid.map_coordinates([12.0, 4.0]).round().astype(int)
    anchor = model.anchors.reshape(48, 48, 8, 9)[row, column, 0]
    assert torch.allclose(anchor[:2], torch.tensor([12.0, 4.0]), atol=0.51)
    car = torch.tensor([12.0, 4.0, 0.8, 1.9, 4.5, 1.6, -2.0, 1.0, 0.0])
    said = AnchorOutput(
        torch.full((1, len(model.anchors), 10), -9.0),
        torch.zeros(1, len(model.anchors), 9),
        torch.zeros(1, len(model.anchors), 2),
    )
    place = (row * 48 + column) * 8
    for near in (place, place + 8):  # two anchors speak of one car
        said.logits[0, near, 0] = 2.0
        said.codes[0, near] = encode_boxes(car, model.anchors[near])
        said.directions[0, near, direction_bins(car[6])] = 5.0
    found = detections(model, M2BevOutput(said, None, None, torch.zeros(0)))
    assert found.labels.tolist() == [0]
    torch.testing.assert_close(found.boxes[0, :6], car[:6])
    assert np.cos(found.boxes[0, 6].item() + 2.0) == pytest.approx(1, abs=1e-5)
    assert torch.allclose(decode_boxes(said.codes[0, place], model.anchors[place]), car, atol=1e-5)


def test_checkpoints_of_the_family_load_and_foreign_heads_are_left_out(tmp_path):
    torch.manual_seed(0)
    first, second = m2bev_tiny(), m2bev_tiny(tasks=("detection",), auxiliary=False)
    torch.save({"state_dict": first.state_dict(), "meta": {"epoch": 1}}, tmp_path / "m2bev.pth")
    report = load_official_checkpoint(second, tmp_path / "m2bev.pth")
    assert report.complete
    assert {name.split(".")[0] for name in report.ignored} == {"seg_head", "bbox_head_2d"}
    torch.testing.assert_close(second.neck_fuse.weight, first.neck_fuse.weight)
    wide = {"neck.lateral_convs.0.conv.weight": torch.zeros(256, 24, 1, 1), "roi_head.fc": torch.zeros(1)}
    tensors = {name: value for name, value in first.state_dict().items() if name.startswith("backbone")} | wide
    report = load_image_encoder(m2bev_tiny(), tensors)
    assert set(report.ignored) == set(wide)
    assert all(name.startswith("neck.") for name in report.missing)


def test_pretraining_trains_the_networks_own_encoder():
    model = m2bev_tiny()
    detector = ImagePretraining(model)
    output = detector(torch.randn(2, 3, 64, 96))
    boxes = [torch.tensor([[10.0, 10, 30, 30]]), torch.zeros(0, 4)]
    sum(detector.loss(output, boxes, [torch.tensor([3]), torch.zeros(0, dtype=torch.long)]).values()).backward()
    assert model.backbone.conv1.weight.grad.abs().sum() > 0
    with pytest.raises(ValueError, match="auxiliary=True"):
        ImagePretraining(m2bev_tiny(auxiliary=False))


def test_bad_sizes_and_thresholds_are_named():
    for change, message in (
        ({"bev": 0}, "bev must be at least 1"),
        ({"anchor": "middle"}, "anchor must be one of"),
        ({"tasks": ("tracking",)}, "tasks must be some of"),
        ({"ranges": ((0.0, 1.0),)}, "4 levels"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(M2BevConfig(), **change)
    with pytest.raises(ValueError, match="score and overlap"):
        InferenceConfig(score=2.0)
