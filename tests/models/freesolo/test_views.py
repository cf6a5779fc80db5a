import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.models.freesolo.targets import CoarseMasks
from workbench.models.freesolo.views import contrast_view, paste_objects, strong_view


def _taught(*boxes: tuple[int, int, int, int], size: int = 32) -> CoarseMasks:
    masks = torch.zeros(len(boxes), size, size, dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = True
    return CoarseMasks(masks, torch.eye(8)[: len(boxes)])


def _images(count: int = 2) -> torch.Tensor:
    """Images of one value each, so that a pixel says where it came from."""
    return torch.linspace(0, 1, count)[:, None, None, None].expand(count, 3, 32, 32).clone()


def test_a_pasted_object_brings_its_pixels_and_its_mask_and_covers_what_lies_under_it():
    torch.manual_seed(0)
    mine, theirs = _taught((0, 0, 10, 10)), _taught((8, 0, 16, 10))  # covers a fifth
    images, taught = paste_objects(_images(), [mine, theirs])
    assert len(taught[0].masks) == 2
    assert torch.equal(taught[0].masks[1], theirs.masks[0])
    assert torch.equal(taught[0].masks[0], mine.masks[0] & ~theirs.masks[0])
    assert torch.equal(images[0, 0] == 1.0, theirs.masks[0])
    assert torch.equal(taught[0].embeddings, torch.cat([mine.embeddings, theirs.embeddings]))


def test_an_object_that_would_hide_half_of_another_is_not_pasted():
    images, taught = paste_objects(_images(), [_taught((0, 0, 10, 10)), _taught((5, 0, 16, 10))])
    assert torch.equal(images[0], _images()[0])
    assert len(taught[0].masks) == 1


def test_partners_are_the_batch_read_backwards_and_the_middle_stays():
    taught = [_taught((4 * index, 0, 4 * index + 3, 3)) for index in range(3)]
    images, pasted = paste_objects(_images(3), taught)
    assert torch.equal(pasted[1].masks, taught[1].masks)
    assert torch.equal(images[1], _images(3)[1])
    assert torch.equal(pasted[0].masks, torch.cat([taught[0].masks, taught[2].masks]))
    assert torch.equal(pasted[2].masks, torch.cat([taught[2].masks, taught[0].masks]))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(2, 5))
def test_pasting_keeps_masks_apart_whatever_is_pasted(seed, count):
    """Objects that did not overlap still do not, none is empty, and every pixel is the image's own or its partner's."""
    torch.manual_seed(seed)
    taught = []
    for _ in range(count):
        owners = torch.randint(-1, 3, (32, 32))
        masks = owners[None] == torch.arange(int(torch.randint(0, 4, ())))[:, None, None]
        taught.append(CoarseMasks(masks, torch.randn(len(masks), 4)))
    images = torch.rand(count, 3, 32, 32)
    pasted, after = paste_objects(images, taught)
    for index, one in enumerate(after):
        assert one.masks.sum(0).max() <= 1 if len(one.masks) else True
        assert bool(one.masks.flatten(1).any(1).all())
        from_partner = (pasted[index] == images[count - 1 - index]).all(0)
        assert bool(((pasted[index] == images[index]).all(0) | from_partner).all())


def test_views_stay_in_range_and_at_their_size():
    torch.manual_seed(0)
    image = torch.rand(3, 40, 48)
    for _ in range(10):
        strong, crop = strong_view(48)(image), contrast_view(24)(image)
        assert strong.shape == image.shape
        assert crop.shape == (3, 24, 24)
        for view in (strong, crop):
            assert 0 <= view.min() <= view.max() <= 1


def test_a_strong_view_leaves_objects_where_they_are():
    """Without noise rectangles the brightest half of a two-tone image stays the brightest half."""
    torch.manual_seed(0)
    image = torch.full((3, 32, 32), 0.2)
    image[:, :, 16:] = 0.8
    kept = 0
    for _ in range(20):
        view = strong_view(32)(image).mean(0)
        kept += int((view[:, 20:].median() > view[:, :12].median()).item())
    assert kept >= 18


def test_same_seed_same_view():
    image = torch.rand(3, 32, 32)
    views = []
    for _ in range(2):
        torch.manual_seed(5)
        views.append(strong_view(32)(image))
    assert torch.equal(*views)


def test_an_empty_partner_pastes_nothing():
    empty = CoarseMasks(torch.zeros(0, 32, 32, dtype=torch.bool), torch.zeros(0, 8))
    images, taught = paste_objects(_images(), [_taught((0, 0, 4, 4)), empty])
    assert torch.equal(images[0], _images()[0])
    assert [len(one.masks) for one in taught] == [1, 1]


@pytest.mark.parametrize("side", [24, 96, 800])
def test_blur_kernels_are_odd(side):
    strong_view(side), contrast_view(side)  # torchvision refuses even kernels
