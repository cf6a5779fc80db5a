"""Image files of any usual kind -> upright uint8 RGB."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

IMAGE_ENDINGS = (*(".bmp", ".gif", ".jpeg", ".jpg", ".png", ".pgm", ".ppm", ".tif", ".tiff", ".webp"),)
_DAMAGED = (OSError, SyntaxError, EOFError, ValueError, zlib.error, struct.error, Image.DecompressionBombError)
_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)
"""EXIF's tag of the orientation, and its values that swap width and height."""
_SIXTEEN_BIT = {"I;16", "I;16B", "I;16L", "I;16N", "I"}


class UnreadableImageError(ValueError):
    """A file is missing, damaged or no image; the message says which and why."""


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Return an image file as uint8 (height, width, 3), red first, turned as its EXIF orientation says.

    Grey becomes three equal channels, 16-bit grey is divided by 257 (so 65 535 is white), transparent pixels lie on white,
    palettes and CMYK are converted, of an animation the first frame is taken.

    Raises:
        UnreadableImageError: the file is missing, is truncated or damaged, is no image, or holds floating-point values.
    """
    path = Path(path)
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            if image.mode in _SIXTEEN_BIT:
                return _from_sixteen_bit(np.asarray(image), path)
            if image.mode == "F":
                raise UnreadableImageError(f"{path} holds floating-point values, whose white is not known")
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            return np.array(image.convert("RGB"))
    except UnreadableImageError:
        raise
    except FileNotFoundError:
        raise UnreadableImageError(f"no image at {path}") from None
    except _DAMAGED as error:
        raise UnreadableImageError(
            f"{path} is not a whole image: it is truncated, damaged or of another kind ({error})"
        ) from None


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return width and height of an image file as :func:`read_image` turns it, from its header alone.

    Raises:
        UnreadableImageError: the file is missing, or no image.
    """
    path = Path(path)
    try:
        with Image.open(path) as file:
            width, height = file.size
            turned = file.getexif().get(_ORIENTATION, 1) in _ON_ITS_SIDE
    except FileNotFoundError:
        raise UnreadableImageError(f"no image at {path}") from None
    except _DAMAGED as error:
        raise UnreadableImageError(f"{path} is damaged or no image ({error})") from None
    return (height, width) if turned else (width, height)


def _from_sixteen_bit(values: np.ndarray, path: Path) -> np.ndarray:
    if values.min() < 0 or values.max() > 65535:
        raise UnreadableImageError(f"{path} holds values {values.min()} to {values.max()}; expected 0 to 65535")
    grey = ((values.astype(np.int64) + 128) // 257).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
