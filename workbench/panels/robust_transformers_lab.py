"""The picture that all views of notebook 05 look at, what is done to it, and the view in which two networks name it."""

from __future__ import annotations

import html
import io
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets
from PIL import Image, UnidentifiedImageError

from workbench.experiments.robust_transformers_config import SIDE
from workbench.experiments.robust_transformers_lab import Seen, corrupt_and_predict, shipped_networks
from workbench.experiments.robust_transformers_measure import CLEAN
from workbench.experiments.robust_transformers_train import held_out_images
from workbench.figures.robust_transformers import Shown, corruption_figure
from workbench.figures.updates import copy_into
from workbench.ops.corruptions import CORRUPTIONS, EXTRA_CORRUPTIONS

LAB = "1 Corruption lab"
P = "<p style='margin:2px 0;line-height:1.5'>"
PICTURES = 500
OWN = -1
"""Number of a person's own picture."""
NAMES = {name.replace("_", " "): name for name in (CLEAN, *CORRUPTIONS, *EXTRA_CORRUPTIONS)}


class LabViews(traitlets.HasTraits):
    """One picture, clean and corrupted; mixed into the panel of notebook 05.

    ``picture`` is its number among the held-out pictures, -1 for a person's own; ``corruption`` with ``severity`` and
    ``corruption_seed`` says what is done to it.
    """

    picture = traitlets.Int(32)
    corruption = traitlets.Unicode("fog")
    severity = traitlets.Int(3)
    corruption_seed = traitlets.Int(0)

    def build_lab_view(self) -> None:
        """Make the controls that all views share, the figure and the tab."""
        self.held_out = held_out_images(PICTURES)
        self.networks = shipped_networks()
        self._own_picture: np.ndarray | None = None
        self._own_colour: Image.Image | None = None
        self._own_name = ""
        self.slider(
            "picture", OWN, PICTURES - 1, 1, "Picture", "number",
            tooltip="Of 500 that no network was trained on; -1 is your own",
        )  # fmt: skip
        self.dropdown("corruption", NAMES, "Corruption", tooltip="The 15 of the benchmark, then 4 for validation")
        self.slider("severity", 1, 5, 1, "Severity", "1 to 5", tooltip="5 is the worst")
        self.slider(
            "corruption_seed", 0, 99, 1, "Seed", "number", tooltip="Of the noise, the frost or the fog that is drawn"
        )
        player = widgets.Play(min=1, max=5, interval=700, tooltip="Run through the severities")
        player.observe(lambda change: setattr(self, "severity", change["new"]), names="value")
        self.add_upload(".png,.jpg,.jpeg,.webp,.bmp", "Your picture", path="or its path, or that of a checkpoint")
        self._lab_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._lab_figure = self.add_figure(self._draw_lab())
        self.add_view(LAB, [self._lab_figure], self._redraw_lab, [player, self._lab_text])

    # The picture

    def clean_picture(self) -> np.ndarray:
        """Return the chosen picture, uint8 (28, 28), as it is without a corruption.

        Raises:
            ValueError: a person's own is asked for and there is none.
        """
        if self.picture != OWN:
            return self.held_out.images[self.picture]
        if self._own_picture is None:
            raise ValueError("there is no picture of your own yet: upload one, or give its path")
        return self._own_picture

    def truth(self) -> int | None:
        """Return the class of the picture, None for a person's own."""
        return None if self.picture == OWN else int(self.held_out.labels[self.picture])

    def seen(self) -> Seen:
        """Return the picture as it is shown, and what each network says."""
        index = max(self.picture, 0)
        return corrupt_and_predict(
            self.clean_picture(), self.corruption, self.severity, self.corruption_seed, index=index
        )

    def on_file(self, name: str, content: bytes) -> None:
        """Take a person's picture: grey, its longer side 28 pixels, on black as the networks know pictures."""
        try:
            opened = Image.open(io.BytesIO(content))
            opened.load()
        except UnidentifiedImageError:
            raise ValueError("this is no picture of a known kind; expected PNG, JPEG, WebP or BMP") from None
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(f"the picture is damaged or too large: {error}") from None
        self._own_colour, self._own_picture, self._own_name = opened.convert("RGB"), small_grey(opened), name
        if self.picture == OWN:
            self.redraw_picture()
        self.picture = OWN
        self.say(f"{name}: {opened.width} x {opened.height} pixels, shown as {SIDE} x {SIDE} grey ones", "good")

    def read_picture(self, path: str) -> None:
        """Take a picture from a path."""
        self.on_file(Path(path).name, Path(path).read_bytes())

    # What is drawn

    def what(self) -> str:
        """Return picture and corruption in words, such as ``Bag 12, fog 3``."""
        truth = self.truth()
        name = self._own_name[:20] if truth is None else f"{self.held_out.class_names[truth]} {self.picture}"
        return name if self.corruption == CLEAN else f"{name}, {self.corruption.replace('_', ' ')} {self.severity}"

    def _redraw_lab(self, changed: frozenset[str]) -> None:
        copy_into(self._lab_figure, self._draw_lab())
        self._lab_text.value = self._lab_words()

    def _draw_lab(self) -> go.Figure:
        seen, truth = self.seen(), self.truth()
        names = self.held_out.class_names
        left = "clean" if truth is None else f"clean: {names[truth]}"
        right = (
            "no corruption"
            if self.corruption == CLEAN
            else f"{self.corruption.replace('_', ' ')}, severity {self.severity}"
        )
        return corruption_figure(
            Shown(self.clean_picture(), seen.picture, (left, right), names, truth, seen.confidence),
            f"{self.what()}: what two networks of equal size see",
        )

    def _lab_words(self) -> str:
        return (
            f"{P}Press play: severity goes from 1 to 5. Noise leaves the histogram's middle and fills its ends, fog and brightness "
            "move it, contrast squeezes it. Both networks were trained with random contrast and brightness; without that both lose "
            "some fifteen points of accuracy on corrupted pictures.</p>"
        )

    def lab_frame(self) -> pd.DataFrame:
        """Return the confidence of each class by network."""
        return pd.DataFrame(self.seen().confidence, index=self.held_out.class_names).rename_axis("class").reset_index()

    def answer(self) -> str:
        """Return what both networks say of the picture, and how often they are wrong on pictures like it."""
        seen, truth, names = self.seen(), self.truth(), self.held_out.class_names
        parts = []
        for network, confidence in seen.confidence.items():
            best = int(confidence.argmax())
            mark = "" if truth is None else " ✓" if best == truth else " ✗"
            parts.append(f"{network} says <b>{names[best]}</b>{mark} ({100 * confidence[best]:.0f} %)")
        line = f"{html.escape(self.what())}: {'; '.join(parts)}."
        errors = self.errors
        rows = errors[(errors["corruption"] == self.corruption) & errors["network"].isin(list(seen.confidence))]
        if self.corruption != CLEAN:
            rows = rows[rows["severity"] == self.severity]
        if len(rows):
            wrong = rows.groupby("network", sort=False)["error"].mean()
            said = ", ".join(f"{network} {100 * (1 - wrong[network]):.0f} %" for network in seen.confidence)
            line += f" Right on {PICTURES} such pictures, mean of three trainings: {said}."
        return f"<div style='line-height:1.6'>{line}</div>"


def small_grey(picture: Image.Image) -> np.ndarray:
    """Return a picture as uint8 (28, 28): grey, whole, centred, and inverted where its edge is brighter than its middle.

    >>> small_grey(Image.new("RGB", (40, 20), "white")).shape
    (28, 28)
    """
    grey = picture.convert("L")
    scale = SIDE / max(grey.size)
    size = [max(1, round(scale * side)) for side in grey.size]
    values = np.asarray(grey.resize(size, Image.Resampling.LANCZOS))
    edge = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    if edge.mean() > values.mean():
        values = 255 - values
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    top, left = ((SIDE - side) // 2 for side in values.shape)
    canvas[top : top + values.shape[0], left : left + values.shape[1]] = values
    return canvas
