"""The panel of notebook 05: eight views of one question, which backbone survives bad weather, and why?"""

from __future__ import annotations

from pathlib import Path

import ipywidgets as widgets
import pandas as pd

from workbench.panels.base import Panel
from workbench.panels.robust_transformers_blocks import BUILDER, GATES, BlockViews
from workbench.panels.robust_transformers_checkpoint import CHECKPOINT, FILES, CheckpointView
from workbench.panels.robust_transformers_errors import ERRORS, PUBLISHED_VIEW, ErrorViews
from workbench.panels.robust_transformers_groups import GROUPS, MACHINE, GroupViews
from workbench.panels.robust_transformers_lab import LAB, OWN, LabViews

VIEWS = (LAB, ERRORS, GROUPS, MACHINE, GATES, BUILDER, PUBLISHED_VIEW, CHECKPOINT)


class RobustTransformersPanel(LabViews, ErrorViews, GroupViews, BlockViews, CheckpointView, Panel):
    """Corrupt a picture, and look at what a plain ViT and a fully attentional network (FAN) of its size make of it.

    Every control is an attribute: ``panel.picture``, ``panel.corruption``, ``panel.severity``, ``panel.corruption_seed`` and
    ``panel.view``; each view has its own, named in its class. A person's picture comes in by :meth:`receive_file`, an upload or a
    path; a published checkpoint by its path.

    >>> panel = RobustTransformersPanel(corruption="none")
    >>> panel.lab_frame()["FAN"].sum().round(3)
    np.float32(1.0)
    """

    title = "robust transformers"

    def build(self) -> None:
        """Make the controls, the answer and the eight views."""
        self.load_errors()
        self.build_lab_view()
        self._answer_box = widgets.HTML(layout=widgets.Layout(width="100%"))
        self.build_errors_view()
        self.build_groups_view()
        self.build_machine_view()
        self.build_gates_view()
        self.build_builder_view()
        self.build_published_view()
        self.build_checkpoint_view()
        self._inputs.append(self._answer_box)
        self.view = LAB

    def redraw(self, changed: frozenset[str]) -> None:
        """Say what the networks make of the picture."""
        if self.picture == OWN and self._own_picture is None:
            self.say("there is no picture of your own yet: upload one, or give its path", "warning")
            self.picture = type(self).picture.default_value
        if changed & {"picture", "corruption", "severity", "corruption_seed"}:
            self._answer_box.value = self.answer()

    def redraw_picture(self) -> None:
        """Draw the visible view again for another picture under the same number."""
        self._trait_changed({"name": "picture", "new": self.picture})

    def on_path(self, path: str) -> None:
        """Take a picture, or a published checkpoint, from the kernel's machine."""
        found = Path(path).expanduser()
        if not found.is_file():
            raise FileNotFoundError(f"there is no file {path}")
        if found.suffix.lower() in FILES:
            self.load_checkpoint(str(found))
        else:
            self.read_picture(str(found))

    def frame(self) -> pd.DataFrame:
        """Return the numbers of the visible view."""
        return {
            LAB: self.lab_frame,
            ERRORS: self.errors_frame,
            GROUPS: self.groups_frame,
            MACHINE: self.machine_frame,
            GATES: self.gates_frame,
            BUILDER: self.builder_frame,
            PUBLISHED_VIEW: self.published_frame,
            CHECKPOINT: self.checkpoint_frame,
        }[self.view]()
