import numpy as np
import pytest
import torch

from workbench.geometry.bev_grid import BevGrid
from workbench.models.m2bev import VolumeEncoder, m2bev_tiny, project_features, space_to_channel, voxel_table

AHEAD = torch.tensor([[0.0, -1, 0, 0], [0, 0, -1, 1.5], [1, 0, 0, 0], [0, 0, 0, 1]], dtype=torch.float64)
BEHIND = torch.tensor([[0.0, 1, 0, 0], [0, 0, -1, 1.5], [-1, 0, 0, 0], [0, 0, 0, 1]], dtype=torch.float64)
K = torch.tensor([[100.0, 0, 80], [0, 100, 44], [0, 0, 1]], dtype=torch.float64)
GRID = BevGrid((16, 12, 3), (1.0, 1.0, 1.0), (-8.0, -6.0, -1.0))


def by_masks(features: torch.Tensor, poses: torch.Tensor, anchor: str = "centre") -> torch.Tensor:
    """The definition: for each camera all voxels, a mask, and the sum over their number."""
    points = torch.from_numpy(GRID.points(anchor)).reshape(-1, 3)
    total, count = torch.zeros(len(points), features.shape[1]), torch.zeros(len(points), 1)
    scale = torch.tensor([0.25, 0.25, 1], dtype=torch.float64)[:, None]
    for one, pose in zip(features, poses, strict=True):
        a, b, d = (scale * K @ (pose[:3, :3] @ points.T + pose[:3, 3:])).unbind(0)
        for voxel in range(len(points)):
            if d[voxel] > 1e-3:
                u, v = np.round((a[voxel] / d[voxel]).item()), np.round((b[voxel] / d[voxel]).item())
                if 0 <= u < 40 and 0 <= v < 22:
                    total[voxel] += one[:, int(v), int(u)]
                    count[voxel] += 1
    return (total / count.clamp(min=1)).reshape(*GRID.cells, -1)


@pytest.mark.parametrize("anchor", ["centre", "corner"])
def test_a_voxel_takes_the_mean_over_the_cameras_that_see_it(anchor):
    shifted = AHEAD.clone()
    shifted[0, 3] = 0.7
    poses = torch.stack([AHEAD, shifted, BEHIND])
    poses[:, :3, 3] += torch.tensor([0.0137, 0.0291, 0.0173])  # no voxel falls on the border of two pixels
    features = torch.randn(3, 5, 24, 48, generator=torch.Generator().manual_seed(0))  # padded from 22 x 40
    table = voxel_table(K.expand(3, 3, 3), poses, (88, 160), GRID, anchor=anchor)
    torch.testing.assert_close(project_features(features[None], [table])[0], by_masks(features, poses, anchor))
    assert table.counts.max() == 2
    assert (table.counts == 0).any()


def test_all_voxels_of_a_ray_have_the_same_feature_and_none_behind_the_camera():
    features = torch.arange(22 * 40.0).reshape(1, 1, 1, 22, 40) + 1
    table = voxel_table(K[None], AHEAD[None], (88, 160), BevGrid((8, 1, 1), (1, 1, 1), (0, -0.5, 1.0)))
    volume = project_features(features, [table])[0, :, 0, 0, 0]
    assert len(set(volume.tolist())) == 1  # straight ahead at the camera's height: one pixel at all depths
    back = voxel_table(K[None], BEHIND[None], (88, 160), BevGrid((8, 1, 1), (1, 1, 1), (0, -0.5, 1.0)))
    assert back.counts.sum() == 0
    assert project_features(features, [back]).abs().sum() == 0


def test_gradients_go_to_the_pixels_that_are_seen_by_their_share():
    table = voxel_table(K.expand(2, 3, 3), torch.stack([AHEAD, AHEAD]), (88, 160), GRID)
    features = torch.ones(1, 2, 1, 22, 40, requires_grad=True)
    project_features(features, [table]).sum().backward()
    assert features.grad.sum().item() == pytest.approx((table.counts > 0).sum().item())
    torch.testing.assert_close(features.grad[0, 0], features.grad[0, 1])


def test_folding_height_is_a_view_and_orders_channels_by_height():
    volume = torch.randn(2, 4, 3, 5, 6)
    folded = space_to_channel(volume)
    assert folded.shape == (2, 30, 4, 3)
    assert folded.data_ptr() == volume.data_ptr()
    assert torch.equal(folded[1, 4 * 6 + 2], volume[1, :, :, 4, 2])


def test_bad_calibrations_are_named():
    with pytest.raises(ValueError, match="image width 162 is not a multiple of the feature stride 4"):
        voxel_table(K[None], AHEAD[None], (88, 162), GRID)
    with pytest.raises(ValueError, match="must be finite"):
        voxel_table(K[None] * float("nan"), AHEAD[None], (88, 160), GRID)
    table = voxel_table(K[None], AHEAD[None], (88, 160), GRID)
    with pytest.raises(ValueError, match="at least 22 x 40"):
        project_features(torch.zeros(1, 1, 2, 20, 40), [table])
    with pytest.raises(ValueError, match="multiple of 4"):
        VolumeEncoder(6, 4)
    with pytest.raises(ValueError, match="sides multiples of 32"):
        m2bev_tiny()(torch.zeros(1, 1, 3, 88, 160), [table])
