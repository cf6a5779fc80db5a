"""What a picture goes through before it teaches: two crops for contrast, a strong view and pasted objects for self-training.

Chen et al., "Improved Baselines with Momentum Contrastive Learning", 2020 (the crops); the code of FreeSOLO (strong views, pasted
objects), which its paper does not mention. Drawn from torch's generator, each picture by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torchvision.transforms import v2

from workbench.models.freesolo.targets import CoarseMasks

HIDDEN = 0.5
"""Share of an object from which a pasted one would hide too much of it, and is left out."""
View = Callable[[Tensor], Tensor]


def contrast_view(side: int = 224, least: float = 0.2) -> View:
    """Return what makes a view (3, side, side) of an image (3, height, width) in 0 to 1: MoCo-v2's, that DenseCL uses too.

    A crop of at least ``least`` of the area, mirrored at random, with colours jittered, sometimes grey, sometimes blurred.
    """
    return v2.Compose(
        [v2.RandomResizedCrop(side, (least, 1.0), antialias=True), v2.RandomHorizontalFlip(), *_colours(side)]
    )


def strong_view(side: int = 800) -> View:
    """Return what makes a view of an image (3, height, width) in 0 to 1 in which objects stay where they are.

    Colours as in :func:`contrast_view`, and up to three rectangles of noise.

    Args:
        side: of the image, pixels, after which the blur's kernel is sized.
    """
    erasing = [(0.7, (0.05, 0.2), (0.3, 3.3)), (0.5, (0.02, 0.2), (0.1, 6.0)), (0.3, (0.02, 0.2), (0.05, 8.0))]
    steps = [v2.RandomErasing(often, share, shape, value="random") for often, share, shape in erasing]
    return v2.Compose([*_colours(side), *steps, v2.Lambda(lambda image: image.clamp(0, 1))])


def paste_objects(images: Tensor, taught: Sequence[CoarseMasks]) -> tuple[Tensor, list[CoarseMasks]]:
    """Return a batch in which objects of each image's partner, the batch read backwards, are pasted, and what it then teaches.

    A random number of the partner's objects, at the place where they lie there. One that would hide half or more of an object of
    the image is left out. Masks lose what is covered; those that lose all of it are gone. The image in the middle of an odd batch
    is its own partner and stays.

    Boxes are the tight ones again, as in the published code.

    Args:
        images: (B, 3, height, width).
        taught: masks of each image.
    """
    pasted, masks = images.clone(), []
    for index, mine in enumerate(taught):
        other = len(taught) - 1 - index
        theirs = taught[other]
        if other == index or not len(theirs.masks):
            masks.append(CoarseMasks(mine.masks, mine.embeddings))
            continue
        count = int(torch.randint(1, len(theirs.masks) + 1, ()))
        chosen = torch.randperm(len(theirs.masks))[:count].to(mine.masks.device)
        new = theirs.masks[chosen]
        areas = mine.masks.flatten(1).sum(1).clamp(min=1)
        hides = (new[:, None] & mine.masks[None]).flatten(2).sum(2) / areas
        chosen = chosen[~(hides >= HIDDEN).any(1)]
        new = theirs.masks[chosen]
        cover = new.any(0)
        left = mine.masks & ~cover
        kept = left.flatten(1).any(1)
        pasted[index] = torch.where(cover, images[other], images[index])
        embeddings = torch.cat([mine.embeddings[kept], theirs.embeddings[chosen]])
        masks.append(CoarseMasks(torch.cat([left[kept], new]), embeddings))
    return pasted, masks


def _colours(side: int) -> list[View]:
    kernel = max(3, side // 20 * 2 + 1)  # a tenth of the side, and odd
    return [
        v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
        v2.RandomGrayscale(0.2),
        v2.RandomApply([v2.GaussianBlur(kernel, (0.1, 2.0))], 0.5),
    ]
