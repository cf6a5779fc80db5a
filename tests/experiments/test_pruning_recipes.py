"""HALP's published runs: their numbers, and that they prune, make small and go on training on tiny folders of the true formats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from workbench.datasets import read_voc
from workbench.experiments.pruning_imagenet import RECIPES, ImageNetPruning, prune_imagenet
from workbench.experiments.pruning_run import MASKS, PRUNED, TUNING
from workbench.experiments.pruning_voc import DetectionImages, VocPruning, mean_average_precision, prune_voc
from workbench.models.ssd import default_boxes, small_ssd
from workbench.pruning import HALPConfig, HALPPruner, simulate_latency_table, titan_v_table
from workbench.training import CancelToken

TABLE = simulate_latency_table("titan_v")
CLASSES = ("n01440764", "n01443537")
OPTIONS = {"device": "cpu", "num_threads": 1, "workers": 0}


def tiny_imagenet(folder):
    """Two classes, dark and bright."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 4), ("val", 2)):
        for base, name in zip((40, 200), CLASSES, strict=True):
            place = folder / part / name
            place.mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(base, base + 30, (40 + index, 52, 3), np.uint8)
                Image.fromarray(pixels).save(place / f"{name}_{index}.JPEG")
    return folder


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    """The tiny folder, a checkpoint of a trained ResNet-18, and the recipe for it."""
    folder = tmp_path_factory.mktemp("imagenet")
    recipe = ImageNetPruning(
        "resnet18", HALPConfig(0.6, interval=2, steps=2, group_size=8, refill=True), batch_size=4, side=32, epochs=4,
        learning_rate=0.01, warm_up=1, table_batch=64,
    )  # fmt: skip
    torch.manual_seed(0)
    torch.save({"state_dict": recipe.build(2).state_dict(), "epoch": 89}, folder / "dense.pth")
    return tiny_imagenet(folder / "data"), folder / "dense.pth", recipe


def test_published_numbers():
    recipe = RECIPES["resnet50_halp55"]
    assert (recipe.learning_rate, recipe.momentum, recipe.weight_decay) == (1.024, 0.875, 3.0517578125e-05)
    assert (recipe.halp.interval, recipe.halp.steps, recipe.halp.start) == (40, 30, 0)
    with torch.device("meta"):
        network = recipe.build()
    graph = recipe.trace(network)
    sizes = recipe.halp.group_size
    assert set(sizes) == set(graph.layers)
    assert {
        layer: max(sizes[name] for name in graph.group(layer).layers) for layer in ("layer1.0.conv3", "layer4.1.conv3")
    } == {
        "layer1.0.conv3": 64,
        "layer4.1.conv3": 128,
    }
    pruner = HALPPruner(network, graph, titan_v_table(), recipe.table_batch, recipe.halp)
    assert pruner.targets[-1] == pytest.approx(0.55 * 304.740)
    groups = recipe.schedule().optimiser(network).param_groups
    assert [group["weight_decay"] for group in groups] == [recipe.weight_decay, 0]
    spared = sum(parameter.numel() for parameter in groups[1]["params"])
    norms = sum(parameter.numel() for name, parameter in network.named_parameters() if "bn" in name)
    assert spared == norms == 45_440  # of 53 120 in all norms: those of the four shortcuts are decayed


def test_imagenet_run_prunes_in_its_first_epochs_and_tunes_the_small_network(imagenet, tmp_path):
    root, weights, recipe = imagenet
    run = prune_imagenet(
        root, weights, tmp_path, recipe, table=TABLE, config=recipe.training_config(**OPTIONS), class_names=CLASSES
    )
    assert len(run.pruning.history) == len(run.tuning.history) == 2
    rates = [*run.pruning.history["learning_rate"], *run.tuning.history["learning_rate"]]
    assert rates == pytest.approx([recipe.rate(epoch) for epoch in range(4)])
    assert run.tuning.history["accuracy"].between(0, 1).all()
    whole = run.plan.graph.latency(TABLE, recipe.table_batch)
    assert run.plan.latency is None  # read back from the masks
    again = recipe.trace(run.network)
    assert again.latency(TABLE, recipe.table_batch) <= 0.6 * whole
    assert {path.name for path in tmp_path.iterdir()} == {MASKS, PRUNED, TUNING}


def test_killed_run_goes_on_after_its_pruning(imagenet, tmp_path):
    root, weights, recipe = imagenet
    options = {"table": TABLE, "config": recipe.training_config(**OPTIONS), "class_names": CLASSES}
    whole = prune_imagenet(root, weights, tmp_path / "whole", recipe, **options)
    token = CancelToken()
    calls = 0

    def stop_in_the_third_epoch(step, steps, message=""):
        nonlocal calls
        calls += 1
        if calls == 7:  # two epochs of two steps and their ends, and the first step of the third
            token.cancel()

    stopped = prune_imagenet(
        root, weights, tmp_path / "cut", recipe, progress=stop_in_the_third_epoch, cancel=token, **options
    )
    assert stopped.tuning.status == "cancelled"
    resumed = prune_imagenet(root, weights, tmp_path / "cut", recipe, **options)
    assert resumed.pruning is None
    assert np.array_equal(resumed.plan.keep, whole.plan.keep)
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, resumed.network.state_dict()[name]), name


def test_runs_that_cannot_be(imagenet, tmp_path):
    root, weights, recipe = imagenet
    options = {"table": TABLE, "config": recipe.training_config(**OPTIONS), "class_names": CLASSES}
    long = replace(recipe, halp=replace(recipe.halp, steps=5))
    with pytest.raises(
        ValueError, match="5 pruning steps every 2 iterations from 0 on need 10, but 4 epochs of 2 have 8"
    ):
        prune_imagenet(root, weights, tmp_path, long, **options)
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "part.pth")
    with pytest.raises(ValueError, match=r"part.pth lacks bn1.weight of resnet18"):
        prune_imagenet(root, tmp_path / "part.pth", tmp_path, recipe, **options)
    with pytest.raises(ValueError, match="has 2 class folders, expected 1000"):
        prune_imagenet(root, weights, tmp_path, recipe, table=TABLE, config=options["config"])


def tiny_voc(folder, images=4):
    """VOC's folders with dark pictures of one bright square each, the first of them difficult."""
    rng = np.random.default_rng(0)
    for year in ("VOC2007", "VOC2012"):
        for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
            (folder / year / part).mkdir(parents=True)
        names = []
        for index in range(images):
            left, top = (int(value) for value in rng.integers(0, 40, 2))
            pixels = rng.integers(0, 60, (70, 90, 3), np.uint8)
            pixels[top : top + 24, left : left + 24] = 230
            names.append(f"{year[3:]}_{index:06d}")
            Image.fromarray(pixels).save(folder / year / "JPEGImages" / f"{names[-1]}.jpg")
            (folder / year / "Annotations" / f"{names[-1]}.xml").write_text(
                f"<annotation><filename>{names[-1]}.jpg</filename><size><width>90</width><height>70</height></size><object>"
                f"<name>dog</name><difficult>{int(index == 0)}</difficult><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin>"
                f"<xmax>{left + 24}</xmax><ymax>{top + 24}</ymax></bndbox></object></annotation>"
            )
        for split in ("trainval", "test"):
            (folder / year / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(names))
    return folder


def test_voc_run_prunes_a_small_detector(tmp_path):
    root = tiny_voc(tmp_path / "VOCdevkit")
    recipe = VocPruning(
        HALPConfig(0.6, interval=1, steps=2, group_size=8, refill=True),
        small_ssd,
        batch_size=4,
        epochs=2,
        table_batch=64,
    )
    torch.manual_seed(0)
    torch.save(small_ssd(21).state_dict(), tmp_path / "dense.pth")
    run = prune_voc(
        root, tmp_path / "dense.pth", tmp_path / "run", recipe, TABLE, config=recipe.training_config(**OPTIONS)
    )
    assert list(run.pruning.history.columns)[2:] == ["train_loss", "train_location", "train_confidence", "mAP"]
    assert len(run.pruning.history) == len(run.tuning.history) == 1
    whole, small = (sum(p.numel() for p in net.parameters()) for net in (small_ssd(21), run.network))
    assert small < whole
    for head, other in zip(run.network.conf, small_ssd(21).conf, strict=True):
        assert head.out_channels == other.out_channels


class Painted(torch.nn.Module):
    """Gives what an oracle would: offsets and logits of the objects' matched default boxes."""

    def __init__(self, data, defaults):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        from workbench.models.ssd import targets_of

        offsets, labels = targets_of([data[place][1] for place in range(len(data))], defaults)
        self.offsets, self.logits = offsets, 20.0 * torch.nn.functional.one_hot(labels, 21)

    def forward(self, images):
        return self.offsets[: len(images)], self.logits[: len(images)]


@pytest.mark.parametrize("interpolation", ["area", "11 points"])
def test_oracle_has_a_precision_of_one_in_pixels_of_the_image(tmp_path, interpolation):
    root = tiny_voc(tmp_path)
    model = small_ssd(21)
    data = DetectionImages(read_voc(root / "VOC2007", "test"), VocPruning(HALPConfig()).names, 64, training=False)
    defaults = default_boxes(model.boxes)
    assert mean_average_precision(Painted(data, defaults), data, defaults, interpolation) == pytest.approx(1)


def test_training_images_leave_out_difficult_objects_and_keep_boxes_on_the_bright_square(tmp_path):
    entries = read_voc(tiny_voc(tmp_path) / "VOC2007", "trainval")
    names = VocPruning(HALPConfig()).names
    torch.manual_seed(0)
    data = DetectionImages(entries, names, 64, training=True)
    assert len(data[0][1][0]) == 0
    seen = 0
    for _ in range(8):
        image, (boxes, labels) = data[1]
        for x0, y0, x1, y1 in (boxes * 64).round().int().tolist():
            inside = image[:, y0:y1, x0:x1].mean()
            assert inside > image.mean()
            seen += 1
        assert set(labels.tolist()) <= {12}
    assert seen
    with pytest.raises(ValueError, match="none of 4 images shows an object of zebra"):
        DetectionImages(entries, ["zebra"], 64, training=True)
