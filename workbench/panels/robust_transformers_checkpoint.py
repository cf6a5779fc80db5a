"""The view of notebook 05 for a published checkpoint: which network it is, what does not fit, and what it says of a picture."""

from __future__ import annotations

import html

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch
import traitlets
from PIL import Image

from workbench.datasets.imagenet import IMAGENET_MEAN, IMAGENET_STD
from workbench.figures.theme import new_figure, series_style
from workbench.figures.updates import copy_into
from workbench.models.fan import VARIANTS, load_official_checkpoint, variant_of
from workbench.panels.robust_transformers_lab import P
from workbench.panels.run import table_html
from workbench.training import LoadReport
from workbench.training.official_checkpoints import read_checkpoint

CHECKPOINT = "8 Checkpoint"
FILES = (".pth", ".pt", ".tar", ".safetensors", ".bin")
TOP = 5
HELP = (
    f"{P}Give the path of a published file (<code>fan_*.pth.tar</code> or its <code>.safetensors</code>) on the "
    "kernel's machine. No code in it is run. The network is told by the shapes of its tensors, the file is loaded, "
    "and your picture, or the one that is shown, is named at 224 pixels. The published weights are NVIDIA's, for "
    "research and not for business: they do not ship here.</p>"
)


class CheckpointView(traitlets.HasTraits):
    """A published checkpoint; mixed into the panel of notebook 05."""

    def build_checkpoint_view(self) -> None:
        """Make the figure and the tab."""
        self._loaded: tuple[str, torch.nn.Module, LoadReport] | None = None
        self._checkpoint_text = widgets.HTML(HELP, layout=widgets.Layout(width="100%"))
        self._checkpoint_figure = self.add_figure(self._draw_checkpoint())
        self.add_view(CHECKPOINT, [self._checkpoint_figure], self._redraw_checkpoint, [self._checkpoint_text])

    def load_checkpoint(self, path: str) -> None:
        """Load a published file into the network that its shapes tell.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is damaged, or of no published network.
        """
        tensors = read_checkpoint(path)
        name = variant_of(tensors)
        head = tensors.get("head.weight", tensors.get("module.head.weight"))
        network = VARIANTS[name](num_classes=0 if head is None else len(head)).eval()
        self._loaded = name, network, load_official_checkpoint(network, path)
        self.view = CHECKPOINT
        self._redraw_checkpoint(frozenset())
        self.say(f"{name}: loaded", "good")

    def checkpoint_frame(self) -> pd.DataFrame:
        """Return the tensors that did not find their counterpart.

        Raises:
            ValueError: no file was loaded yet.
        """
        if self._loaded is None:
            raise ValueError("no checkpoint was loaded yet: give its path")
        report = self._loaded[2]
        rows = [(kind, name) for kind in ("missing", "unexpected", "ignored") for name in getattr(report, kind)]
        return pd.DataFrame(rows, columns=["what", "tensor"])

    def logits(self) -> np.ndarray:
        """Return the logits of the loaded network for the shown picture, at 224 pixels and normalised as on ImageNet."""
        picture = (
            self._own_colour
            if self.picture < 0 and self._own_colour is not None
            else Image.fromarray(self.seen().picture)
        )
        pixels = np.asarray(picture.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC), np.float32) / 255
        images = torch.from_numpy(
            (pixels - np.array(IMAGENET_MEAN, np.float32)) / np.array(IMAGENET_STD, np.float32)
        ).permute(2, 0, 1)[None]
        with torch.inference_mode():
            return self._loaded[1](images)[0].numpy()

    def _redraw_checkpoint(self, changed: frozenset[str]) -> None:
        copy_into(self._checkpoint_figure, self._draw_checkpoint())
        if self._loaded is None:
            self._checkpoint_text.value = HELP
            return
        name, network, report = self._loaded
        size = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        fit = "every tensor found its place" if report.complete else "some tensors did not find their place"
        table = self.checkpoint_frame()
        self._checkpoint_text.value = (
            f"{P}<b>{html.escape(name)}</b>, {size:.1f} million parameters: {fit} ({len(report.missing)} missing, "
            f"{len(report.unexpected)} unexpected, {len(report.ignored)} "
            "ignored).</p>" + (table_html(table, 20) if len(table) else "")
        )

    def _draw_checkpoint(self) -> go.Figure:
        classes, values = ["–"] * TOP, np.zeros(TOP)
        if self._loaded is not None:
            logits = self.logits()
            best = np.argsort(-logits)[:TOP]
            classes, values = [f"class {place}" for place in best], logits[best]
        title = (
            "Highest logits: no file yet"
            if self._loaded is None
            else f"{self.what()}: highest logits of {self._loaded[0]}"
        )
        figure = new_figure(title[:66], "Logit (1)", "Class (index)", height=320)
        figure.add_bar(
            x=values, y=np.arange(TOP), orientation="h", marker={"color": series_style(0)["marker"]["color"]}
        )
        figure.update_yaxes(tickvals=list(range(TOP)), ticktext=classes, autorange="reversed", showgrid=False)
        return figure
