import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from workbench.datasets import ROAD_CLASSES, STYLES, TARGET_CLASSES, data_dir, emoji_sprites
from workbench.datasets._recipes import emoji_sheet_png, unpacked
from workbench.datasets.sprites import CODE_POINTS


def test_every_class_is_drawn_in_every_style_and_cut_close():
    sprites = emoji_sprites()
    assert set(sprites) == {(name, style) for name in ROAD_CLASSES for style in STYLES}
    assert len(ROAD_CLASSES) == 30
    assert set(TARGET_CLASSES) <= set(ROAD_CLASSES)
    for sprite in sprites.values():
        drawn = sprite[..., 3] >= 128
        assert max(sprite.shape[:2]) <= 64
        assert drawn[[0, -1]].any(axis=1).all()
        assert drawn[:, [0, -1]].any(axis=0).all()


def test_sheets_are_small():
    assert sum(path.stat().st_size for path in (data_dir() / "emoji").iterdir()) < 400_000


def test_recipe_puts_each_drawing_into_its_cell(tmp_path):
    path = tmp_path / "package.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for place, code in enumerate(CODE_POINTS.values()):
            buffer = io.BytesIO()
            Image.new("RGBA", (256, 256), (place, 2 * place, 0, 255)).save(buffer, "PNG")
            member = tarfile.TarInfo(f"package/{code}.png")
            member.size = len(buffer.getvalue())
            archive.addfile(member, io.BytesIO(buffer.getvalue()))
    content = emoji_sheet_png(path, "package/{}.png")
    sheet = np.asarray(Image.open(io.BytesIO(content)))
    assert sheet.shape == (192, 640, 4)
    assert (sheet[64:128, 128:192, 0] == 12).all()
    assert (sheet[128:, 576:, 1] == 58).all()


def test_a_sheet_is_compared_by_its_pixels():
    picture = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(4, 4, 4))
    packed = []
    for level in (0, 9):
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", compress_level=level)
        packed.append(buffer.getvalue())
    assert packed[0] != packed[1]
    assert unpacked("a.png", packed[0]) == unpacked("a.png", packed[1])
    with pytest.raises(OSError, match=r"cannot identify|not a whole PNG"):
        unpacked("a.png", b"\x89PNG nothing")


def test_missing_and_other_sheets_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))
    emoji_sprites.cache_clear()
    with pytest.raises(FileNotFoundError, match=r"no sprites at .*noto.png: rebuild with .*emoji_noto"):
        emoji_sprites()
    (tmp_path / "emoji").mkdir()
    Image.new("RGB", (640, 192)).save(tmp_path / "emoji" / "noto.png")
    with pytest.raises(ValueError, match="is RGB of 640x192 pixels; a sheet is RGBA of 640x192"):
        emoji_sprites()
