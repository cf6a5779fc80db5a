"""Pre-training of the image encoder on boxes in images, before any map is learned.

Xie et al., "M2BEV", 2022, section 3.6: the published backbones come from detectors trained on nuImages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from workbench.models.m2bev.image_boxes import ImageBoxOutput, image_box_loss
from workbench.models.m2bev.network import M2Bev
from workbench.training.official_checkpoints import LoadReport, load_tensors

ENCODER = ("backbone.", "neck.")
"""Parts that are carried over."""


class ImagePretraining(nn.Module):
    """Backbone, pyramid and auxiliary head of a network, as a detector of boxes in single images (n, 3, H, W).

    Training it trains these parts of the network itself.

    Raises:
        ValueError: the network has no auxiliary head.
    """

    def __init__(self, model: M2Bev) -> None:
        super().__init__()
        if not model.config.auxiliary:
            raise ValueError("pre-training needs the auxiliary head: set auxiliary=True")
        self.backbone, self.neck, self.bbox_head_2d = model.backbone, model.neck, model.bbox_head_2d

    def forward(self, images: Tensor) -> ImageBoxOutput:
        return self.bbox_head_2d(self.neck(self.backbone(images)))

    def loss(self, output: ImageBoxOutput, boxes: Sequence[Tensor], labels: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the terms of :func:`~workbench.models.m2bev.image_box_loss`."""
        return image_box_loss(self.bbox_head_2d, output, boxes, labels)


def load_image_encoder(model: M2Bev, tensors: Mapping[str, Tensor]) -> LoadReport:
    """Load backbone and pyramid of a detector, such as one published for nuImages, into a network.

    Tensors of other parts are in ``ignored``, and so are those of a pyramid of other widths: the published detectors' has 256
    channels and biases.

    Args:
        model: changed in place.
        tensors: by names that begin with ``backbone.`` or ``neck.``.

    Raises:
        ValueError: no tensor of a backbone, or one of another shape.
    """
    expected = model.state_dict()
    wanted = [name for name in tensors if name.startswith(ENCODER)]
    others = [name for name in tensors if name not in wanted]
    others += [
        name
        for name in wanted
        if name.startswith("neck.") and (name not in expected or tensors[name].shape != expected[name].shape)
    ]
    report = load_tensors(model, {name: tensors[name] for name in wanted if name not in others})
    missing = tuple(name for name in report.missing if name.startswith(ENCODER))
    return LoadReport(missing, report.unexpected, tuple(others))
