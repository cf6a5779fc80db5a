"""How a person's own pictures come into a panel: a folder, an upload, or drawn scenes; they are embedded in the background."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path, PurePosixPath

import ipywidgets as widgets
import traitlets

from workbench.datasets import read_annotated_folder
from workbench.experiments.selection_embedding import embed_folder, write_sample_folder
from workbench.experiments.selection_folder import FolderPool
from workbench.panels.targeted_selection_own_words import read_words
from workbench.panels.uploads import files_button, path_box
from workbench.retrieval import Backbone
from workbench.training import CancelToken, Progress

ACCEPTED = ".jpg,.jpeg,.png,.bmp,.gif,.tif,.tiff,.webp,.json,.xml"
SIDES = (384, 512, 768, 1024, 1536)


class OwnPictures(traitlets.HasTraits):
    """The ways in for pictures; mixed into a panel, which gives ``backbone``.

    ``own_pool`` holds the pictures once they are read and embedded, with their longer side scaled to ``own_side`` pixels;
    ``own_annotations`` is a file of boxes.
    """

    own_pool = traitlets.Instance(FolderPool, allow_none=True)
    own_annotations = traitlets.Unicode("")
    own_side = traitlets.Int(768)

    backbone: Backbone

    def build_ways_in(self) -> list[widgets.Widget]:
        """Return the controls through which pictures come."""
        self._own_uploads: tempfile.TemporaryDirectory | None = None
        return [
            path_box(self._own_path_given, "Folder of pictures", "/path/to/your/pictures"),
            self.text("own_annotations", "Annotations", place=False,
                      tooltip="COCO or BDD100K json; leave empty where it lies in the folder, or there is none"),
            self.dropdown("own_side", {f"{side} pixels": side for side in SIDES}, "Longer side scaled to", place=False,
                          tooltip="Larger sees smaller objects and takes longer; objects should cover 20 to 100 pixels"),
            files_button(self.receive_pictures, ACCEPTED, "Upload pictures"),
            self.button("Try 40 drawn scenes", self.open_sample, place=False, tooltip="Write scenes to a folder, and open it"),
        ]  # fmt: skip

    def open_folder(self, path: str | os.PathLike[str], annotations: str | os.PathLike[str] | None = None) -> None:
        """Read and embed the pictures of a folder in the background; Stop keeps what is done, and the next time goes on there.

        Args:
            path: on the kernel's machine.
            annotations: JSON file of COCO or BDD100K; default :attr:`own_annotations`, and where that is empty, what lies there.
        """
        self._open(Path(path), annotations or self.own_annotations.strip() or None)

    def receive_pictures(self, files: list[tuple[str, bytes]]) -> None:
        """Open uploaded files as a folder: pictures, and with them at most one JSON file of annotations, or VOC's XML files."""
        with self.guard("upload: "):
            kept, folder = self._fresh_folder()
            for name, content in files:
                (folder / PurePosixPath(name.replace("\\", "/")).name).write_bytes(content)
            self._open(folder, None, kept)

    def open_sample(self) -> None:
        """Write 40 drawn scenes with a COCO file to a folder, and open it."""
        kept, folder = self._fresh_folder()
        self._open(write_sample_folder(folder), None, kept)

    def _open(
        self, path: Path, annotations: str | os.PathLike[str] | None, kept: tempfile.TemporaryDirectory | None = None
    ) -> None:
        """Open a folder; ``kept`` is the one that holds it, where that is to vanish with the pool."""
        backbone, side = self.backbone, self.own_side
        store = Path(kept.name) / "features" if kept else None

        def read(progress: Progress, cancel: CancelToken) -> FolderPool:
            folder = read_annotated_folder(path, Path(annotations).expanduser() if annotations else None)
            return embed_folder(folder, backbone, side, store, progress, cancel)

        def done(pool: FolderPool) -> None:
            self.own_pool = pool
            self._own_uploads = kept  # the upload before it is deleted now
            self.say(*read_words(pool))

        self.run_job(read, on_done=done, label="Reading pictures")

    def _fresh_folder(self) -> tuple[tempfile.TemporaryDirectory, Path]:
        """Return an empty folder, and what deletes it when it is let go."""
        if self.running:
            raise ValueError(f"{self.job.label} is still running: stop it, or wait until it is done")
        kept = tempfile.TemporaryDirectory(prefix="workbench-pictures-")
        folder = Path(kept.name) / "pictures"
        folder.mkdir()
        self.own_annotations = ""
        return kept, folder

    def _own_path_given(self, path: str) -> None:
        with self.guard():
            if not path.strip():
                raise ValueError("the folder must not be empty: give a path on the machine where the kernel runs")
            self.open_folder(os.path.expanduser(path.strip()))
