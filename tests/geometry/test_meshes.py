"""Meshes and the rasteriser: closed forms of simple bodies, the pixel convention, and an exact ray caster as reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from workbench.geometry.cameras import unproject
from workbench.geometry.meshes import Mesh, box_corners, diameter, sample_surface, vertex_normals
from workbench.geometry.rasteriser import rasterise
from workbench.geometry.rotations import random_rotations

K = np.array([[40.0, 0, 20], [0, 42, 15], [0, 0, 1]])
PLAIN = np.eye(3)
CUBE_FACES = np.array(
    [
        [0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
        [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3],
    ]
)  # fmt: skip


def cube(side: float = 1.0) -> Mesh:
    return Mesh(box_corners([[-side / 2] * 3, [side / 2] * 3]), CUBE_FACES)


@given(count=st.integers(5, 40), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=20)
def test_diameter_is_the_greatest_of_all_distances(count, seed):
    points = np.random.default_rng(seed).standard_normal((count, 3))
    assert diameter(points) == pytest.approx(pdist(points).max())
    flat = points * [1, 1, 0]
    assert diameter(flat) == pytest.approx(pdist(flat).max())


def test_normals_of_a_cube_point_outward_along_its_diagonals():
    mesh = cube()
    normals = vertex_normals(mesh)
    assert (np.sign(normals) == np.sign(mesh.vertices)).all()
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)


def test_points_on_a_cube_are_spread_evenly():
    points = sample_surface(cube(2.0), 6000, np.random.default_rng(0))
    np.testing.assert_allclose(np.abs(points).max(1), 1)
    side = np.abs(points).argmax(1) * 2 + (points[np.arange(6000), np.abs(points).argmax(1)] > 0)
    assert np.bincount(side, minlength=6).min() > 850
    with pytest.raises(ValueError, match="no surface"):
        sample_surface(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])), 5, np.random.default_rng(0))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"vertices": np.full((8, 3), np.inf)}, r"vertices must be finite numbers \(V, 3\)"),
        ({"faces": np.array([[0, 1, 8]])}, "faces name vertices 0 to 8, expected 0 to 7"),
        ({"faces": np.array([0, 1, 2])}, r"faces must be \(F, 3\)"),
        ({"colours": np.zeros((3, 3), np.uint8)}, r"colours must be \(8, 3\), got \(3, 3\)"),
    ],
)
def test_meshes_that_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        Mesh(**{"vertices": cube().vertices, "faces": CUBE_FACES} | change)
    with pytest.raises(ValueError, match="at least two"):
        diameter(np.zeros((1, 3)))


def test_a_triangle_around_one_pixel_centre_covers_that_pixel():
    """Whole coordinates are centres of pixels."""
    for x, y in ((0, 0), (3, 1), (4, 2)):
        small = np.array([[x - 0.3, y - 0.3, 1], [x + 0.4, y - 0.3, 1], [x - 0.3, y + 0.4, 1]])
        seen = rasterise(small, [[0, 1, 2]], PLAIN, (5, 3)).mask
        assert np.argwhere(seen).tolist() == [[y, x]]
    between = np.array([[0.2, 0.2, 1], [0.8, 0.2, 1], [0.2, 0.8, 1]])
    assert not rasterise(between, [[0, 1, 2]], PLAIN, (5, 3)).mask.any()


@pytest.mark.parametrize("seed", range(4))
def test_every_pixel_sees_what_its_ray_meets_first(seed):
    generator = np.random.default_rng(seed)
    mesh = cube()
    vertices = mesh.vertices @ random_rotations(1, generator)[0].T + [*generator.uniform(-0.4, 0.4, 2), 3]
    more = generator.standard_normal((30, 3)) * 0.4 + [0, 0, 3]
    vertices = np.vstack([vertices, more])
    faces = np.vstack([CUBE_FACES, 8 + np.arange(30).reshape(10, 3)])
    seen = rasterise(vertices, faces, K, (40, 30))
    face, depth = ray_cast(vertices, faces, (40, 30))
    assert (seen.face == face).mean() > 0.999  # a ray through an edge may meet either side
    np.testing.assert_allclose(seen.depth[seen.face == face], depth[seen.face == face], atol=1e-12)
    points = seen.interpolate(vertices[faces])
    rows, columns = np.nonzero(seen.mask)
    np.testing.assert_allclose(points, unproject(np.stack([columns, rows], -1), seen.depth[seen.mask], K), atol=1e-9)


def ray_cast(vertices: np.ndarray, faces: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Intersect the ray of each pixel with each triangle, by a linear system."""
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    rays = unproject(np.stack([columns, rows], -1), np.ones(columns.shape), K)
    face, depth = np.full(columns.shape, -1), np.zeros(columns.shape)
    for index, (a, b, c) in enumerate(vertices[faces]):
        matrix = np.stack([a - b, a - c], -1)
        system = np.concatenate([np.broadcast_to(matrix, (*columns.shape, 3, 2)), rays[..., None]], -1)
        found = np.linalg.solve(system, np.broadcast_to(a[:, None], (*columns.shape, 3, 1)))[..., 0]
        hit = (found[..., 0] >= 0) & (found[..., 1] >= 0) & (found[..., 0] + found[..., 1] <= 1) & (found[..., 2] > 0)
        nearer = hit & ((face < 0) | (found[..., 2] < depth))
        face, depth = np.where(nearer, index, face), np.where(nearer, found[..., 2], depth)
    return face, depth


def test_culling_changes_nothing_for_a_closed_body():
    vertices = cube().vertices @ random_rotations(1, np.random.default_rng(5))[0].T + [0, 0, 3]
    whole, culled = (rasterise(vertices, CUBE_FACES, K, (40, 30), cull=cull) for cull in (False, True))
    np.testing.assert_allclose(whole.depth, culled.depth, atol=1e-12)
    assert (culled.face >= 0).sum() > 50


def test_parts_of_the_work_give_the_same_image(monkeypatch):
    vertices = cube().vertices + np.array([0, 0, 2])
    whole = rasterise(vertices, CUBE_FACES, K, (40, 30))
    monkeypatch.setattr("workbench.geometry.rasteriser._PIXELS_AT_ONCE", 50)
    parts = rasterise(vertices, CUBE_FACES, K, (40, 30))
    assert (whole.face == parts.face).all()
    assert (whole.depth == parts.depth).all()


def test_nothing_in_view_and_bad_sizes():
    behind = rasterise(cube().vertices - [0, 0, 3], CUBE_FACES, K, (40, 30))
    empty = rasterise(np.zeros((0, 3)), np.zeros((0, 3), int), K, (4, 3))
    assert not behind.mask.any()
    assert not empty.mask.any()
    with pytest.raises(ValueError, match="at least 1 x 1 pixels, got 0 x 3"):
        rasterise(cube().vertices, CUBE_FACES, K, (0, 3))
