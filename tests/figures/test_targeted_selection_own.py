"""The query picture: axes in the original's pixels whatever the preview's size, one shape, the same traces in every state."""

from workbench.figures.targeted_selection_own import BLANK, EMPTY, query_figure


def test_the_axes_count_pixels_of_the_original():
    figure = query_figure("data:x", (4000, 3000), (10, 20, 300, 400), [(0, 0, 5, 5), (7, 7, 9, 9)], "t")
    assert (figure.layout.xaxis.range, figure.layout.yaxis.range) == ((0, 4000), (3000, 0))
    image, (box,) = figure.layout.images[0], figure.layout.shapes
    assert (image.sizex, image.sizey) == (4000, 3000)
    assert (box.x0, box.y0, box.x1, box.y1) == (10, 20, 300, 400)
    assert figure.layout.dragmode == "drawrect"
    assert len(figure.data[0].x) == 12


def test_before_there_is_a_picture_it_says_so_with_the_same_traces():
    empty, full = query_figure("", None, (0, 0, 1, 1), [], "t"), query_figure("data:x", (9, 9), (0, 0, 1, 1), [], "t")
    assert [trace.type for trace in empty.data] == [trace.type for trace in full.data]
    assert empty.layout.annotations[0].text == EMPTY
    assert (len(empty.layout.images), len(empty.layout.shapes)) == (0, 0)
    coming = query_figure("", (9, 9), (0, 0, 1, 1), [], "t")
    assert (len(coming.layout.annotations), len(coming.layout.shapes)) == (0, 1)
    assert coming.layout.xaxis.range == (0, 9)
    assert coming.layout.images[0].source == BLANK
