"""The photographs of frost that the corruption of that name lays over an image, as the code of ImageNet-C ships them."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from workbench.datasets.files import data_dir

FROST_FILE = "frost.png"
TEXTURE_SIDE = 300
MEMBERS = ("frost1.png", "frost2.png", "frost4.jpg", "frost5.jpg")
"""Of the package. ``frost3.png`` is ``frost2.png`` pixel by pixel, and the published code never picks ``frost6.jpg``."""
_PICKED = (0, 1, 1, 2, 3)


def frost_sheet_png(wheel: Path) -> bytes:
    """Return the middle 300 x 300 pixels of each texture, one below the other, from the wheel of ``imagecorruptions``."""
    with zipfile.ZipFile(wheel) as package:
        files = [io.BytesIO(package.read(f"imagecorruptions/frost/{name}")) for name in MEMBERS]
    cuts = []
    for file in files:
        with Image.open(file) as image:
            left, top = ((side - TEXTURE_SIDE) // 2 for side in image.size)
            cuts.append(np.asarray(image.convert("RGB"))[top:, left:][:TEXTURE_SIDE, :TEXTURE_SIDE])
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(cuts)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


@cache
def frost_textures() -> tuple[np.ndarray, ...]:
    """Return the five textures that ImageNet-C picks from, uint8 (300, 300, 3), in their original scale; the second comes twice.

    Raises:
        FileNotFoundError: the data folder lacks them.

    >>> len(frost_textures()), frost_textures()[0].shape
    (5, (300, 300, 3))
    """
    path = data_dir() / FROST_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: rebuild it with 'python -m workbench.datasets.build frost'")
    with Image.open(path) as image:
        sheet = np.asarray(image.convert("RGB"))
    sheet.setflags(write=False)
    textures = sheet.reshape(-1, TEXTURE_SIDE, TEXTURE_SIDE, 3)
    return tuple(textures[index] for index in _PICKED)
