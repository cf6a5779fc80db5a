"""The view of notebook 10 that opens the network: what is left of each layer, and whether the small one says the same."""

from __future__ import annotations

import copy
import io
from dataclasses import dataclass

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch
import traitlets
from torch import nn

from workbench.figures.latency_pruning_plans import widths_figure
from workbench.figures.updates import copy_into
from workbench.panels.latency_pruning_networks import Subject
from workbench.panels.run import table_html
from workbench.pruning import ChannelPlan, mask, measure_latency, shrink

SURGERY = "6 Surgery"
SIDE = 64
"""Most pixels a side of the picture that the outputs are compared on."""

P = "<p style='margin:2px 0;line-height:1.5'>"


@dataclass(frozen=True)
class Operation:
    """What became of a network.

    Attributes:
        difference: largest difference between the outputs of the small and the masked network, in float64.
        scale: largest output.
        bytes_before, bytes_after: of the files of the weights.
        parameters_before, parameters_after: counts.
        ms_before, ms_after: one picture on this machine, one thread.
        side: pixels a side of that picture.
        constants: name -> channels of each constant that took a branch's place.
    """

    difference: float
    scale: float
    bytes_before: int
    bytes_after: int
    parameters_before: int
    parameters_after: int
    ms_before: float
    ms_after: float
    side: int
    constants: dict[str, int]


@torch.no_grad()
def operate(subject: Subject, plan: ChannelPlan) -> Operation:
    """Shrink a network, compare it with the masked one on noise in float64, and time both."""
    small = shrink(subject.model, plan)
    shape = [1, *subject.example.shape[1:]]
    shape[2:] = [min(size, SIDE) for size in shape[2:]]
    picture = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    ms = [measure_latency(net, picture, repetitions=5) for net in (subject.model, small)]
    masked = mask(copy.deepcopy(subject.model), plan).double().eval()
    ours, theirs = (net(picture.double()) for net in (copy.deepcopy(small).double().eval(), masked))
    return Operation(
        float((ours - theirs).abs().max()), float(theirs.abs().max()), _file_size(subject.model), _file_size(small),
        *(sum(weight.numel() for weight in net.parameters()) for net in (subject.model, small)),
        *ms, shape[2],
        {name: value.numel() for name, value in small.named_parameters() if name.endswith("add_bias")},
    )  # fmt: skip


def _file_size(model: nn.Module) -> int:
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    return buffer.getbuffer().nbytes


class SurgeryViews(traitlets.HasTraits):
    """The network before and after; mixed into the panel of notebook 10."""

    def build_surgery_view(self) -> None:
        """Make the button, the figure and the tab."""
        self._operations: dict[tuple, Operation] = {}
        cut = self.button("Remove the channels and compare", self.operate_now, primary=True, place=False)
        self._surgery_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._surgery_figure = self.add_figure(widths_figure(["…"], np.ones(1), np.ones(1), "Widths"))
        self.add_view(SURGERY, [self._surgery_figure], self._redraw_surgery, [cut, self._surgery_text])

    def surgery_frame(self) -> pd.DataFrame:
        """Return the shape of the weights of each convolution before and after."""
        graph, plan = self.subject.graph, self.plan_for(self.platform, self.budget)
        dead, rows = set(plan.dead), []
        for name, (inputs, outputs) in plan.widths.items():
            layer = graph.layers[name]
            kernel = layer.kernel if isinstance(layer.kernel, tuple) else (layer.kernel, layer.kernel)
            full = len(layer.inputs), len(layer.outputs)
            wide = 1 if layer.groups > 1 else None
            before, after = ((o, wide or i, *kernel) for i, o in (full, (inputs, outputs)))
            rows.append(
                (name, str(before), "gone" if name in dead else str(after), full[1], 0 if name in dead else outputs)
            )
        return pd.DataFrame(rows, columns=["layer", "before", "after", "channels before", "channels after"])

    def operate_now(self) -> None:
        """Remove the channels in the background, and compare."""
        key, subject, plan = self.state_key(), self.subject, self.plan_for(self.platform, self.budget)

        def done(found: Operation) -> None:
            self._operations[key] = found
            self._surgery_text.value = self._surgery_words()
            self.say("The small network is compared with the masked one below", "good")

        self.run_job(lambda progress, cancel: operate(subject, plan), on_done=done, label="Removing channels")

    def _redraw_surgery(self, changed: frozenset[str]) -> None:
        if self.fresh(SURGERY, *self.state_key()):
            copy_into(self._surgery_figure, self._draw_surgery())
            self._surgery_text.value = self._surgery_words()

    def _draw_surgery(self) -> go.Figure:
        table, plan = self.surgery_frame(), self.plan_for(self.platform, self.budget)
        left, all_ = table["channels after"].sum(), table["channels before"].sum()
        title = f"{self.network}: {left:,} of {all_:,} channels left<br><sub>{self.platform}, {self.budget} % of the latency</sub>"
        widths = (table[name].to_numpy(float) for name in ("channels before", "channels after"))
        return widths_figure(table["layer"].tolist(), *widths, title, plan.dead)

    def _surgery_words(self) -> str:
        found = self._operations.get(self.state_key())
        shapes = table_html(self.surgery_frame()[["layer", "before", "after"]])
        folded = f"<details><summary>Shapes of all weights, (out, in, height, width)</summary>{shapes}</details>"
        if found is None:
            return f"{P}Press the button to remove the channels, and to compare the small network with the masked one.</p>{folded}"
        constants = ", ".join(f"{name} ({count} numbers)" for name, count in found.constants.items())
        lines = [
            f"On noise of {found.side} x {found.side} pixels the outputs of the small and the masked network differ by at most "
            f"<b>{found.difference:.1e}</b> in float64; the largest output is {found.scale:.2g}.",
            f"Parameters {found.parameters_before / 1e6:.2f} M → <b>{found.parameters_after / 1e6:.2f} M</b>; file "
            f"{found.bytes_before / 1e6:.1f} MB → <b>{found.bytes_after / 1e6:.1f} MB</b>; one such picture on this machine, one "
            f"thread: {found.ms_before:.1f} ms → <b>{found.ms_after:.1f} ms</b> (the plan is for {self.platform}).",
            f"Branches that became a constant: {constants}." if constants else "No branch became a constant.",
        ]
        return "".join(f"{P}{line}</p>" for line in lines) + folded
