"""The reader on a made-up table: flat square models, so that boxes and hidden shares are plain arithmetic."""

import json

import numpy as np
import pytest
from PIL import Image

from workbench.datasets import LINEMOD_OBJECTS, NotInstalledError, linemod_rotations, read_linemod_occlusion

CAMERA = {"fx": 100.0, "fy": 100.0, "cx": 80.0, "cy": 60.0, "width": 160, "height": 120}
UPRIGHT = [1, 0, 0, 0, 1, 0, 0, 0, 1]


def _pose(number, shift, rotation=UPRIGHT):
    return {"obj_id": number, "cam_R_m2c": rotation, "cam_t_m2c": shift}


def _write(folder, poses):
    (folder / "rgb").mkdir(exist_ok=True)
    (folder / "models").mkdir(exist_ok=True)
    (folder / "camera.json").write_text(json.dumps(CAMERA))
    (folder / "scene_gt.json").write_text(json.dumps({"7": poses}))
    Image.new("RGB", (160, 120)).save(folder / "rgb" / "000007.png")
    grid = np.stack(np.meshgrid(np.arange(40) + 0.5, np.arange(40) + 0.5), -1).reshape(-1, 2) - 20
    header = f"ply\nformat ascii 1.0\nelement vertex {len(grid)}\nproperty float x\nelement face 0\nend_header\n"
    rows = "".join(f"{x} {y} 0 0 0 1 9 9 9 255 \n" for x, y in grid)
    for number in LINEMOD_OBJECTS:
        (folder / "models" / f"obj_{number:06d}.ply").write_text(header + rows)
    return folder


def test_boxes_span_the_projected_model(tmp_path):
    (entry,) = read_linemod_occlusion(_write(tmp_path, [_pose(1, [0, 0, 100]), _pose(8, [60, -40, 200])]))
    assert entry.id == "rgb/000007.png"
    ape, driller = entry.load().annotations
    assert (ape.category, driller.category) == ("ape", "driller")
    assert ape.box == (60.5, 40.5, 99.5, 79.5)  # 19.5 mm at 100 mm, focal length 100 pixels, about (80, 60)
    assert driller.box == (100.25, 30.25, 119.75, 49.75)


def test_rotation_turns_the_model(tmp_path):
    edge_on = [0, 0, 1, 0, 1, 0, -1, 0, 0]  # about y by 90 degrees: the square is seen from the side
    (entry,) = read_linemod_occlusion(_write(tmp_path, [_pose(1, [4, 0, 100], edge_on)]))
    x0, _, x1, _ = entry.annotations[0].box
    assert x0 == pytest.approx(80 + 100 * 4 / 119.5)
    assert x1 == pytest.approx(80 + 100 * 4 / 80.5)


def test_rotations_are_those_of_the_poses(tmp_path):
    edge_on = [0, 0, 1, 0, 1, 0, -1, 0, 0]
    rotations = linemod_rotations(_write(tmp_path, [_pose(1, [0, 0, 100]), _pose(8, [0, 0, 100], edge_on)]))
    assert set(rotations) == {("rgb/000007.png", "ape"), ("rgb/000007.png", "driller")}
    relative = rotations["rgb/000007.png", "ape"] @ rotations["rgb/000007.png", "driller"].T
    assert np.degrees(np.arccos((np.trace(relative) - 1) / 2)) == pytest.approx(90)


def test_visible_share_counts_what_is_in_front_and_what_is_outside(tmp_path):
    poses = [_pose(1, [0, 0, 100]), _pose(5, [16, 0, 80]), _pose(9, [-80, 0, 100])]
    (entry,) = read_linemod_occlusion(_write(tmp_path, poses))
    ape, can, duck = entry.annotations
    assert can.visible == 1  # x 75.6 to 124.4
    assert ape.visible == 0.3  # its columns of squares begin at 60, 64, ..., 96; those from 72 on are behind the can
    assert duck.visible == 0.5  # x -20 to 20
    touching = [_pose(1, [0, 0, 100]), _pose(5, [0, 0, 96])]
    (entry,) = read_linemod_occlusion(_write(tmp_path, touching))
    assert entry.annotations[0].visible > 0.8  # 4 mm behind is the same surface


def test_what_is_not_installed_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_LINEMOD_OCCLUSION", str(tmp_path))
    with pytest.raises(NotInstalledError, match=r"has no camera.json. Fetch it .*build linemod_occlusion' \(101 MB"):
        read_linemod_occlusion()
    _write(tmp_path, [_pose(1, [0, 0, 100])])
    assert len(read_linemod_occlusion()) == 1
    (tmp_path / "models" / "obj_000012.ply").unlink()
    with pytest.raises(NotInstalledError, match=r"has no models/obj_000012.ply"):
        read_linemod_occlusion()


@pytest.mark.parametrize(
    "pose, message",
    [
        (_pose(2, [0, 0, 100]), r"frame 7, object 0: obj_id is 2; expected one of \[1, 5"),
        (_pose(1, [0, 0, -100]), "object 0: cam_t_m2c is .* expected the object in front"),
        (_pose(1, [0, 0]), r"object 0: cam_t_m2c is \[0, 0\]; expected 3 numbers"),
        (_pose(1, [0, 0, 100], [1, 0, 0, "x", 1, 0, 0, 0, 1]), "cam_R_m2c is .* expected 9 numbers"),
        ({"obj_id": 1}, "object 0 has no 'cam_R_m2c'"),
    ],
)
def test_faults_name_frame_and_field(tmp_path, pose, message):
    with pytest.raises(ValueError, match=message):
        read_linemod_occlusion(_write(tmp_path, [pose]))


def test_damaged_files_are_named(tmp_path):
    _write(tmp_path, [_pose(1, [0, 0, 100])])
    model = tmp_path / "models" / "obj_000001.ply"
    whole = model.read_text()
    for text, message in (
        (whole[: len(whole) // 2].rsplit("\n", 1)[0], "its header says 1600: the file is truncated"),
        (whole.replace("ascii", "binary_little_endian"), "is not an ASCII PLY model with vertices"),
        (whole.replace("\n-19.5 -19.5 ", "\n-19.5 up ", 1), r"obj_000001.ply is damaged"),
    ):
        model.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_linemod_occlusion(tmp_path)
    model.write_text(whole)
    for content in ("[]", '{"first": []}'):
        (tmp_path / "scene_gt.json").write_text(content)
        with pytest.raises(ValueError, match="expected an object with the poses of each frame by its number"):
            read_linemod_occlusion(tmp_path)
    (tmp_path / "camera.json").write_text(json.dumps(CAMERA | {"fy": "wide"}))
    with pytest.raises(ValueError, match=r"camera.json: fy is 'wide'; expected a number"):
        read_linemod_occlusion(tmp_path)
