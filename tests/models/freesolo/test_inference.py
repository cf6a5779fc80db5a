import pytest
import torch

from workbench.models.freesolo import freesolo_tiny
from workbench.models.freesolo.inference import InferenceConfig, instances, normalised, points_nms, segment
from workbench.models.freesolo.network import PIXEL_MEAN, SoloOutput
from workbench.models.freesolo.objective import colour_pairs, solo_loss
from workbench.models.freesolo.targets import CoarseMasks

STRIDES = (4, 4, 8, 16, 16)


def _output() -> SoloOutput:
    """Two objects: cell (1, 1) and its neighbour ask for the first mask, cell (5, 6) for the second; of grid 2, of side 8."""
    sides = (12, 12, 8, 6, 4)
    categories = [torch.full((1, 1, side, side), -20.0) for side in sides]
    kernels = [torch.zeros(1, 2, side, side) for side in sides]
    embeddings = [torch.zeros(1, 3, side, side) for side in sides]
    for row, column, score, mask in ((1, 1, 3.0, 0), (4, 1, 2.0, 0), (5, 6, 1.0, 1)):
        categories[2][0, 0, row, column] = score
        kernels[2][0, mask, row, column] = 1
        embeddings[2][0, :, row, column] = torch.tensor([row, column, mask])
    features = torch.full((1, 2, 48, 48), -20.0)
    features[0, 0, 4:20, 4:16] = 20
    features[0, 1, 24:40, 30:46] = 20
    return SoloOutput(categories, kernels, embeddings, features)


def test_objects_come_with_their_mask_box_score_and_embedding():
    found = instances(_output(), 0, (90, 96), STRIDES, InferenceConfig(update=0.2))
    assert found.boxes.tolist() == [[8, 8, 32, 40], [60, 48, 92, 80]]
    assert found.masks.shape == (2, 90, 96)
    assert found.masks.sum((1, 2)).tolist() == pytest.approx([24 * 32, 32 * 32], abs=4)
    assert found.scores.tolist() == pytest.approx(torch.sigmoid(torch.tensor([3.0, 1.0])).tolist(), abs=1e-4)
    assert found.embeddings.tolist() == [[1, 1, 0], [5, 6, 1]]


def test_the_published_slip_gives_an_object_numbers_of_other_cells():
    found = instances(_output(), 0, (90, 96), STRIDES, InferenceConfig(update=0.2, scrambled=True))
    flat = torch.zeros(3, 64)  # channels, then cells: read three at a time
    flat[:, 9], flat[:, 33], flat[:, 46] = torch.tensor([[1.0, 1, 0], [4, 1, 0], [5, 6, 1]])
    assert torch.equal(found.embeddings, flat.flatten().reshape(64, 3)[[9, 46]])


def test_the_same_mask_twice_is_lowered_by_matrix_nms():
    found = instances(_output(), 0, (96, 96), STRIDES)
    twice = torch.sigmoid(torch.tensor(2.0)) * torch.exp(torch.tensor(-2.0))
    assert found.scores[2].item() == pytest.approx(twice.item(), abs=1e-4)


def test_nothing_above_the_score_gives_nothing():
    found = instances(_output(), 0, (96, 96), STRIDES, InferenceConfig(score=0.99))
    assert found.masks.shape == (0, 96, 96)
    assert found.boxes.shape == (0, 4)
    assert found.embeddings.shape == (0, 3)


def test_points_nms_leaves_one_of_two_cells_side_by_side():
    scores = torch.zeros(1, 5, 5)
    scores[0, 2, 2], scores[0, 2, 3], scores[0, 3, 2] = 0.9, 0.8, 0.7
    assert torch.nonzero(points_nms(scores)).tolist() == [[0, 2, 2]]


def test_images_are_normalised_to_mean_0():
    image = torch.tensor(PIXEL_MEAN)[:, None, None] / 255
    torch.testing.assert_close(normalised(image.expand(2, 3, 4, 4)), torch.zeros(2, 3, 4, 4))


def test_the_tiny_network_learns_a_square_of_any_size_of_image():
    torch.manual_seed(0)
    model = freesolo_tiny()
    image = torch.full((1, 3, 48, 48), 0.2)
    image[:, 0, 12:36, 8:32] = 0.9
    mask = torch.zeros(1, 48, 48, dtype=torch.bool)
    mask[0, 12:36, 8:32] = True
    taught = [CoarseMasks(mask, torch.ones(1, 128))]
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    pairs = colour_pairs(image, model.mask_stride)
    for step in range(60):
        optimizer.zero_grad()
        terms = solo_loss(
            model(normalised(image)), taught, pairs, model.config, model.mask_stride, ramp=min(1.0, step / 60)
        )
        sum(terms.values()).backward()
        optimizer.step()
    found = segment(model, image[0, :, :45, :43])  # padded inside
    assert found.masks.shape[1:] == (45, 43)
    expected = mask[0, :45, :43]
    overlap = (found.masks[0] & expected).sum() / (found.masks[0] | expected).sum()
    assert overlap > 0.8
    assert torch.cosine_similarity(found.embeddings[0], torch.ones(128), dim=0) > 0.9


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="image must be RGB"):
        segment(freesolo_tiny(), torch.full((3, 32, 32), 200.0))
    with pytest.raises(ValueError, match="keep must be at least 1"):
        InferenceConfig(keep=0)
    with pytest.raises(ValueError, match="score must lie"):
        InferenceConfig(score=2.0)
