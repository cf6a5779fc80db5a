"""Frozen features of CIFAR-10, on 24 random pictures and a network of random weights."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.decomposition import PCA
from torchvision.models import mobilenet_v2

from workbench.datasets import NotInstalledError, cifar10, load_cifar10
from workbench.experiments import frozen_features
from workbench.experiments.frozen_features import FeatureConfig, cifar10_features, principal_components
from workbench.training import Cancelled, CancelToken

TINY = FeatureConfig(side=32, components=3)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "weights.pth"
    model = mobilenet_v2()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    model(torch.randn(16, 3, 64, 64))  # so that activations neither vanish nor grow from layer to layer
    torch.save(model.state_dict(), path)
    return path


@pytest.fixture
def places(tmp_path, monkeypatch, weights):
    """Return where pictures, weights and cache are; batches hold four pictures and chunks six."""
    monkeypatch.setattr(cifar10, "PICTURES_PER_BATCH", 4)
    monkeypatch.setattr(frozen_features, "CHUNK", 6)
    rng = np.random.default_rng(0)
    for stem in [*(f"data_batch_{index}" for index in range(1, 6)), "test_batch"]:
        Image.fromarray(rng.integers(256, size=(4, 1024, 3), dtype=np.uint8)).save(tmp_path / f"{stem}.png")
    (tmp_path / "train_lables.json").write_text(json.dumps([*range(10)] * 2))
    (tmp_path / "test_lables.json").write_text("[3, 1, 4, 1]")
    return {"folder": tmp_path, "weights": weights, "cache": tmp_path / "cache"}


@pytest.fixture
def computed(monkeypatch):
    """Return the list of chunk lengths that went through the network."""
    lengths, forward = [], frozen_features._forward

    def counted(trunk, pictures, side):
        lengths.append(len(pictures))
        return forward(trunk, pictures, side)

    monkeypatch.setattr(frozen_features, "_forward", counted)
    return lengths


def test_features_are_the_principal_components_of_what_the_network_pools(places):
    features = cifar10_features(TINY, **places)
    assert features.train.shape == (20, 3)
    assert features.test.shape == (4, 3)
    assert features.test_labels.tolist() == [3, 1, 4, 1]
    model = mobilenet_v2()
    model.load_state_dict(torch.load(places["weights"], weights_only=True))
    model.eval()
    mean, std = (torch.tensor(values) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    pooled = []
    with torch.inference_mode():
        for split in ("train", "test"):
            images = (torch.from_numpy(load_cifar10(split, places["folder"]).images) / 255 - mean) / std
            pooled.append(model.features(images.permute(0, 3, 1, 2)).mean((2, 3)).numpy())
    pooled = [part.astype(np.float16).astype(np.float32) for part in pooled]  # as in the cache
    reference = PCA(3, svd_solver="full").fit(pooled[0])
    for own, theirs in ((features.train, pooled[0]), (features.test, pooled[1])):
        expected = reference.transform(theirs)
        expected *= np.sign((reference.transform(pooled[0]) * features.train).sum(0))
        scale = np.sqrt(np.mean(reference.transform(pooled[0]) ** 2))
        np.testing.assert_allclose(own, expected / scale, atol=0.05)


def test_a_stopped_run_goes_on_at_the_missing_chunk_and_a_whole_one_is_read(places, computed):
    token = CancelToken()

    def stop_after_two(done, total, message):
        assert total == 24
        if done == 12:
            token.cancel()

    with pytest.raises(Cancelled):
        cifar10_features(TINY, stop_after_two, token, **places)
    assert computed == [6, 6]
    first = cifar10_features(TINY, **places)
    assert computed == [6, 6, 6, 6]
    again = cifar10_features(TINY, **places)
    assert len(computed) == 4
    assert np.array_equal(first.train, again.train)


def test_another_recipe_is_computed_anew_and_more_components_are_not(places, computed):
    cifar10_features(TINY, **places)
    cifar10_features(FeatureConfig(side=32, components=5), **places)
    assert len(computed) == 4
    cifar10_features(FeatureConfig(side=64, components=3), **places)
    assert len(computed) == 8
    path = places["folder"] / "test_batch.png"
    Image.fromarray(np.zeros((4, 1024, 3), np.uint8)).save(path)
    cifar10_features(TINY, **places)
    assert len(computed) == 12


def test_components_have_mean_variance_one_and_falling_variances():
    rng = np.random.default_rng(0)
    train, test = (rng.normal(3, [5, 1, 2, 0.1], size=(count, 4)) for count in (200, 50))
    first, other = principal_components(train, test, 3)
    variances = first.var(0)
    assert variances.mean() == pytest.approx(1)
    assert np.all(np.diff(variances) < 0)
    assert np.allclose(np.cov(first.T) - np.diag(np.diag(np.cov(first.T))), 0, atol=1e-10)
    whole, rotated = principal_components(train, test, 4)
    ratio = np.linalg.norm(whole[0] - rotated[0]) / np.linalg.norm(train[0] - test[0])
    assert np.linalg.norm(whole[5] - rotated[7]) / np.linalg.norm(train[5] - test[7]) == pytest.approx(ratio)
    assert other.shape == (50, 3)


def test_features_that_say_nothing_are_refused():
    with pytest.raises(ValueError, match="train has no variance"):
        principal_components(np.ones((5, 3)), np.ones((2, 3)), 2)


def test_missing_parts_are_named(places, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(places["cache"]))
    with pytest.raises(NotInstalledError, match="MobileNetV2 trained on ImageNet is not installed"):
        cifar10_features(TINY, folder=places["folder"])
    with pytest.raises(NotInstalledError, match="CIFAR-10 is not installed"):
        cifar10_features(TINY, weights=places["weights"])
