"""A person's own data on its way into a panel: a file, pasted text, or a path on the machine of the kernel."""

from __future__ import annotations

import os
from collections.abc import Callable

import ipywidgets as widgets

from workbench.panels.controls import AS_WIDE_AS_TEXT
from workbench.panels.views import row


def size_text(count: int) -> str:
    """Return a number of bytes as a person reads it.

    >>> size_text(312), size_text(20_480)
    ('312 B', '20.0 kB')
    """
    size, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def files_button(
    receive: Callable[[list[tuple[str, bytes]]], None], accept: str, description: str, multiple: bool = True
) -> widgets.FileUpload:
    """Return a file button that hands over all chosen files at once, as names and contents, and is then empty again."""
    button = widgets.FileUpload(
        accept=accept,
        multiple=multiple,
        description=description,
        tooltip=f"Load a file of your own ({accept or 'any type'})",
    )
    button.layout.width = "auto"

    def arrived(change: dict) -> None:
        files = change["new"]
        if not files:
            return
        button.value = ()  # so that the same file, corrected, can be chosen again
        receive([(file["name"], bytes(file["content"])) for file in files])

    button.observe(arrived, names="value")
    return button


def upload_button(
    receive: Callable[[str, bytes], None], accept: str, description: str, multiple: bool
) -> widgets.FileUpload:
    """Return a file button that calls ``receive(name, content)`` for each file and is then empty again."""

    def receive_each(files: list[tuple[str, bytes]]) -> None:
        for name, content in files:
            receive(name, content)

    return files_button(receive_each, accept, description, multiple)


def paste_box(receive: Callable[[str, bytes], None], name: str, placeholder: str) -> widgets.HBox:
    """Return a text area whose button hands the text over as a file called ``name``."""
    area = widgets.Textarea(placeholder=placeholder, layout=widgets.Layout(flex="1 1 300px", height="64px"))
    use = widgets.Button(description="Use this text", tooltip="Read the pasted text as if it were a file")
    use.layout.width = "auto"
    use.on_click(lambda _: receive(name, area.value.encode()))
    return row([area, use])


def path_box(receive: Callable[[str], None], description: str, placeholder: str) -> widgets.HBox:
    """Return a line for a path on the kernel's machine and a button that hands it over."""
    line = widgets.Text(
        description=description, placeholder=placeholder, style=AS_WIDE_AS_TEXT, layout=widgets.Layout(flex="1 1 300px")
    )
    use = widgets.Button(description="Load", tooltip="Read this path on the machine where the kernel runs")
    use.layout.width = "auto"
    use.on_click(lambda _: receive(line.value))
    return row([line, use])


class Uploads:
    """The ways in for a person's own data, mixed into :class:`workbench.panels.base.Panel`."""

    def add_upload(
        self,
        accept: str = "",
        description: str = "Your file",
        *,
        multiple: bool = False,
        paste: str = "",
        path: str = "",
    ) -> widgets.FileUpload:
        """Add the ways in for a person's own data and return the file button.

        Args:
            accept: file endings, such as ``".csv"``; empty for any.
            description: text of the button.
            multiple: whether several files may be chosen at once; each one is handed over by itself.
            paste: name, such as ``"pasted.csv"``, under which pasted text is handed over; empty for no text area.
            path: description of a line for a path on the kernel's machine, handed to :meth:`on_path`; empty for none.
        """
        button = upload_button(self.receive_file, accept, description, multiple)
        self._inputs.append(button)
        if path:
            self._inputs.append(path_box(self._receive_path, path, "/path/to/your/data"))
        if paste:
            self._inputs.append(paste_box(self.receive_file, paste, "or paste the contents of a file here"))
        return button

    def receive_file(self, name: str, content: bytes) -> None:
        """Hand a file to :meth:`on_file`, and say in one line how that went."""
        with self.guard(f"{name}: "):
            said = len(self.messages)
            self.on_file(name, content)
            if len(self.messages) == said:
                self.say(f"Loaded {name} ({size_text(len(content))})", "good")

    def _receive_path(self, path: str) -> None:
        with self.guard():
            if not path.strip():
                raise ValueError("path must not be empty: give a file or folder on the machine where the kernel runs")
            said = len(self.messages)
            self.on_path(os.path.expanduser(path.strip()))
            if len(self.messages) == said:
                self.say(f"Loaded {path.strip()}", "good")
