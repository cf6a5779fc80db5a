"""Backbones: networks, frozen, that turn pictures into maps of feature vectors."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from workbench.datasets.imagenet import IMAGENET_MEAN, IMAGENET_STD
from workbench.retrieval.efficientnet_lite import STAGE_STRIDES, load_efficientnet_lite0
from workbench.retrieval.features import PADDING_GREY, Features, Letterbox
from workbench.training.allocator import keep_freed_memory
from workbench.training.config import choose_device

Recipe = Mapping[str, Any]


class Backbone(Protocol):
    """What turns a batch of pictures into feature maps.

    Attributes:
        strides: pixels per cell of each map, the finest first.
        recipe: everything that decides the features, in values that JSON can hold; see :func:`recipe_hash`.
    """

    strides: tuple[int, ...]
    recipe: Recipe

    def features(self, images: Tensor, letterboxes: Sequence[Letterbox] | None = None) -> Features:
        """Return the feature maps, which do not depend on what else is in the batch.

        Args:
            images: float (N, 3, H, W) in [0, 1], RGB; padded below and to the right to a multiple of the largest stride.
            letterboxes: where each picture lies on its canvas, from :func:`~workbench.retrieval.features.letterbox_batch`;
                None when every picture fills it.

        Raises:
            TypeError, ValueError: ``images`` is no such tensor, or the letterboxes do not fit it.
        """
        ...


def recipe_hash(recipe: Recipe) -> str:
    """Return 16 hexadecimal digits that change when anything in the recipe does, whatever the order of its keys.

    >>> recipe_hash({"network": "a", "stages": {"8": 2}}) == recipe_hash({"stages": {"8": 2}, "network": "a"})
    True
    """
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]


class EfficientNetLite0Backbone:
    """EfficientNet-Lite0 with ImageNet weights, run no further than the last stage that is asked for.

    Args:
        stages: which of the network's stages 0 to 6 stands for each stride; the default gives 40 channels at 8 and 80 at 16.
            (Stages 3 and 4, with 80 and 112 channels, both have stride 16; stages 5 and 6 have stride 32.)
        weights: a file of weights; None for the shipped ones.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises:
        ValueError: a stage has another stride.

    >>> backbone = EfficientNetLite0Backbone(device="cpu")
    >>> {stride: tuple(values.shape) for stride, values in backbone.features(torch.rand(1, 3, 50, 64)).items()}
    {8: (1, 40, 8, 8), 16: (1, 80, 4, 4)}
    """

    def __init__(
        self, stages: Mapping[int, int] | None = None, weights: str | Path | None = None, device: str = "auto"
    ) -> None:
        stages = dict(sorted((stages or {8: 2, 16: 3}).items()))
        for stride, stage in stages.items():
            if stage not in range(len(STAGE_STRIDES)) or STAGE_STRIDES[stage] != stride:
                fitting = [index for index, value in enumerate(STAGE_STRIDES) if value == stride]
                raise ValueError(f"stages[{stride}] is {stage!r}; the stages of stride {stride} are {fitting}")
        self.device, self.strides, self._stages = choose_device(device), tuple(stages), stages
        network = load_efficientnet_lite0(weights).requires_grad_(False)
        self.recipe = {
            "network": "efficientnet_lite0",
            "weights": weights_digest(network),
            "stages": {str(stride): stage for stride, stage in stages.items()},
            "version": 1,
        }
        self._network = network.to(self.device, memory_format=torch.channels_last)  # a third faster on a CPU
        self._made_of = (stages, weights, device)

    def __reduce__(self) -> tuple[object, ...]:
        """To another process goes what it is made of, not the weights."""
        return type(self), self._made_of

    def features(self, images: Tensor, letterboxes: Sequence[Letterbox] | None = None) -> Features:
        batch, letterboxes = prepared(images, letterboxes, max(self.strides), self.device)
        return Features(in_pieces(self._maps, batch), letterboxes)

    def _maps(self, batch: Tensor) -> dict[int, Tensor]:
        batch = ((255 * batch - 127) / 128).contiguous(memory_format=torch.channels_last)
        outputs = self._network.stage_outputs(batch, max(self._stages.values()))
        return {stride: outputs[stage] for stride, stage in self._stages.items()}


class TorchvisionBackbone:
    """Layers of any network of torchvision or of a person's own, run no further than the last of them.

    Args:
        model: any module that takes images (N, 3, H, W); it is copied, so that training it further changes nothing here.
        layers: name of a submodule, as in ``model.named_modules()``, per stride; its output must be (N, C, H/stride, W/stride).
        mean, std: per channel, of images in [0, 1]; default those of ImageNet.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises:
        ValueError: a layer's name is unknown; ``features`` raises it when a layer does not run or gives another shape.

    >>> from torchvision.models import resnet18
    >>> backbone = TorchvisionBackbone(resnet18(), {8: "layer2", 16: "layer3"}, device="cpu")
    >>> {stride: tuple(values.shape) for stride, values in backbone.features(torch.rand(2, 3, 64, 96)).items()}
    {8: (2, 128, 8, 12), 16: (2, 256, 4, 6)}
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Mapping[int, str],
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        device: str = "auto",
    ) -> None:
        names = dict(model.named_modules())
        for stride, name in layers.items():
            if name not in names:
                some = ", ".join(top for top, _ in model.named_children())
                raise ValueError(f"layers[{stride}] is {name!r}, which {type(model).__name__} lacks; it has {some}")
        self.device, self._layers = choose_device(device), dict(sorted(layers.items()))
        self.strides = tuple(self._layers)
        self._model = copy.deepcopy(model).eval().requires_grad_(False)
        self.recipe = {
            "network": type(model).__name__,
            "weights": weights_digest(self._model),
            "layers": {str(stride): name for stride, name in self._layers.items()},
            "mean": list(mean),
            "std": list(std),
            "version": 1,
        }
        self._model.to(self.device)
        self._mean, self._std = (torch.tensor(values, device=self.device).reshape(3, 1, 1) for values in (mean, std))
        self._seen: dict[str, Tensor] = {}
        self._hooks = {
            name: self._model.get_submodule(name).register_forward_hook(self._keep(name))
            for name in set(self._layers.values())
        }
        self._made_of = (dict(self._layers), tuple(mean), tuple(std), device)

    def __reduce__(self) -> tuple[object, ...]:
        """To another process goes the network without the hooks, which belong to this object."""
        model = copy.deepcopy(self._model).cpu()
        for name, hook in self._hooks.items():
            del model.get_submodule(name)._forward_hooks[hook.id]
        return type(self), (model, *self._made_of)

    def features(self, images: Tensor, letterboxes: Sequence[Letterbox] | None = None) -> Features:
        batch, letterboxes = prepared(images, letterboxes, max(self.strides), self.device)
        return Features(in_pieces(self._maps, batch), letterboxes)

    def _maps(self, batch: Tensor) -> dict[int, Tensor]:
        self._seen.clear()
        with contextlib.suppress(_AllSeen):
            self._model((batch - self._mean) / self._std)
        seen = dict(self._seen)
        self._seen.clear()
        for stride, name in self._layers.items():
            expected = (len(batch), batch.shape[2] // stride, batch.shape[3] // stride)
            came = tuple(getattr(seen.get(name), "shape", ()))
            if len(came) != 4 or (came[0], *came[2:]) != expected:
                wanted = "({}, C, {}, {})".format(*expected)
                raise ValueError(f"layer {name!r} gives {came or 'no tensor'}, expected {wanted} at stride {stride}")
        return {stride: seen[name] for stride, name in self._layers.items()}

    def _keep(self, name: str):
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            self._seen[name] = output
            if len(self._seen) == len(set(self._layers.values())):
                raise _AllSeen

        return hook


class ModuleBackbone:
    """Any module that itself gives feature maps by stride, such as a transformer that arranges its tokens in rows.

    Args:
        module: takes images (N, 3, H, W) in [0, 1], RGB, and returns ``{stride: (N, C, H/stride, W/stride)}``; it is copied.
        strides: of these maps.
        settings: what else than the weights decides the features, in values that JSON can hold; part of the recipe.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises:
        ValueError: ``features`` raises it when the module gives other maps.

    >>> class Mean(nn.Module):
    ...     def forward(self, images):
    ...         return {4: nn.functional.avg_pool2d(images, 4)}
    >>> ModuleBackbone(Mean(), [4], device="cpu").features(torch.rand(1, 3, 8, 10))[4].shape
    torch.Size([1, 3, 2, 3])
    """

    def __init__(
        self, module: nn.Module, strides: Sequence[int], settings: Recipe | None = None, device: str = "auto"
    ) -> None:
        self.device, self.strides = choose_device(device), tuple(sorted(strides))
        self._module = copy.deepcopy(module).eval().requires_grad_(False)
        self.recipe = {
            "network": type(module).__name__,
            "weights": weights_digest(self._module),
            "strides": list(self.strides),
            "settings": dict(settings or {}),
            "version": 1,
        }
        self._module.to(self.device)

    def features(self, images: Tensor, letterboxes: Sequence[Letterbox] | None = None) -> Features:
        batch, letterboxes = prepared(images, letterboxes, math.lcm(*self.strides), self.device)
        return Features(in_pieces(self._maps, batch), letterboxes)

    def _maps(self, batch: Tensor) -> dict[int, Tensor]:
        maps = self._module(batch)
        for stride in self.strides:
            expected = (len(batch), batch.shape[2] // stride, batch.shape[3] // stride)
            came = tuple(getattr(maps.get(stride), "shape", ()))
            if len(came) != 4 or (came[0], *came[2:]) != expected:
                wanted = "({}, C, {}, {})".format(*expected)
                raise ValueError(f"the module gives {came or 'no map'}, expected {wanted} at stride {stride}")
        return {stride: maps[stride] for stride in self.strides}


class _AllSeen(Exception):  # noqa: N818 (no error: it ends a forward pass whose rest nobody needs)
    """Every layer that is asked for has run."""


def prepared(
    images: Tensor, letterboxes: Sequence[Letterbox] | None, multiple: int, device: torch.device
) -> tuple[Tensor, tuple[Letterbox, ...]]:
    """Check a batch and pad it with grey, below and to the right, to a multiple; shared by all backbones.

    Raises:
        TypeError, ValueError: see :meth:`Backbone.features`.
    """
    if not isinstance(images, Tensor) or not images.is_floating_point():
        came = getattr(images, "dtype", type(images).__name__)
        raise TypeError(f"images is {came}, expected a float tensor in [0, 1]")
    if images.ndim != 4 or images.shape[1] != 3 or not images.numel():
        raise ValueError(f"images has shape {tuple(images.shape)}, expected (N, 3, H, W) with N, H and W above 0")
    low, high = (float(value) for value in images.aminmax())
    if not (low >= 0 and high <= 1):
        raise ValueError(f"images must lie in [0, 1], got {low:g} to {high:g}: divide 8-bit values by 255")
    size = tuple(images.shape[2:])
    letterboxes = (Letterbox.fit(size),) * len(images) if letterboxes is None else tuple(letterboxes)
    if len(letterboxes) != len(images):
        raise ValueError(f"letterboxes has {len(letterboxes)} entries for {len(images)} images")
    for index, one in enumerate(letterboxes):
        if one.content_size[0] > size[0] or one.content_size[1] > size[1]:
            raise ValueError(f"letterboxes[{index}] places {one.content_size} pixels on a canvas of {size}")
    bottom, right = (math.ceil(side / multiple) * multiple - side for side in size)
    return pad(images.float().to(device), (0, right, 0, bottom), value=PADDING_GREY), letterboxes


def in_pieces(maps: Callable[[Tensor], dict[int, Tensor]], batch: Tensor) -> dict[int, Tensor]:
    """Return stride -> (N, C, h, w) of a batch: at once on a GPU, a picture at a time on a CPU.

    There the activations of one picture stay in the cache: at 512 x 320 pixels half the time of a batch of 8.
    """
    if batch.device.type == "cpu":
        keep_freed_memory()
    with torch.no_grad():
        parts = [maps(piece) for piece in batch.split(1 if batch.device.type == "cpu" else len(batch))]
    return {stride: torch.cat([part[stride] for part in parts]) for stride in parts[0]}


def weights_digest(model: nn.Module) -> str:
    """Return 16 hexadecimal digits of a model's parameters and buffers, in their order."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]
