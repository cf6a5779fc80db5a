"""Jobs, uploads, messages and exports of a panel, without a browser."""

from __future__ import annotations

import asyncio
import datetime
import threading
import time

import nbformat
import pandas as pd
import pytest
import traitlets
from nbclient import NotebookClient

from workbench.figures.theme import new_figure
from workbench.panels.base import Panel
from workbench.training.progress import no_progress


class Table(Panel):
    """A panel that reads a table."""

    title = "A table & its curve"
    level = traitlets.Float(1.0)

    def build(self):
        self.table = pd.DataFrame({"images": [10, 20], "error": [0.5, 0.25]})
        self.slider("level", 0, 10)
        self.figure = self.add_figure(new_figure("Error", "Images (count)", "Error (ratio)"))
        self.figure.add_scatter(x=[10, 20], y=[0.5, 0.25])
        self.upload = self.add_upload(".csv", paste="pasted.csv", path="Folder")

    def frame(self):
        return self.table

    def on_file(self, name, content):
        if b"," not in content:
            raise ValueError(f"{name!r} has one column:\nexpected images, error")
        self.received = (name, content)

    def on_path(self, path):
        raise FileNotFoundError(f"nothing at {path}")


def count(steps, *, progress=no_progress, cancel=None, gate=None):
    """Count to ``steps``; a gate holds the work until the test lets it go on."""
    for step in range(steps):
        progress(step, steps, f"step {step}")
        if gate is not None:
            assert gate.wait(10)
        cancel.raise_if_cancelled()
    return steps


def test_job_delivers_its_result_and_says_so():
    panel, results = Table(), []
    job = panel.run_job(count, 3, on_done=results.append, label="Counting")
    assert panel.wait(10) == 3
    assert results == [3]
    assert (job.state, job.result, panel.running) == ("done", 3, False)
    assert panel.messages[-1].text.startswith("Counting: done in ")
    assert panel._jobs.layout.display == "none"


def test_stop_ends_a_job_and_the_panel_is_usable_again():
    panel, gate, results = Table(), threading.Event(), []
    job = panel.run_job(count, 100, gate=gate, on_done=results.append, label="Counting")
    assert panel.running
    assert panel._jobs.layout.display == "flex"
    panel._jobs.stop.click()
    gate.set()
    panel.wait(10)
    assert (job.state, results) == ("stopped", [])
    assert panel.messages[-1].text.startswith("Counting: stopped after ")
    panel.run_job(count, 2)
    assert panel.wait(10) == 2


def test_second_job_is_refused_while_one_runs():
    panel, gate = Table(), threading.Event()
    panel.run_job(count, 2, gate=gate, label="First")
    assert panel.run_job(count, 5) is None
    assert panel.messages[-1].level == "warning"
    assert "First is still running" in panel.messages[-1].text
    gate.set()
    assert panel.wait(10) == 2


def test_partial_result_of_a_stopped_job_is_kept():
    panel, started, done = Table(), threading.Event(), []

    def best_so_far(*, progress, cancel):
        for step in range(1000):
            progress(step, 1000, "searching")
            started.set()
            time.sleep(0.002)
            if cancel.cancelled:
                return f"best of {step + 1}"
        return "best"

    job = panel.run_job(best_so_far, on_done=done.append)
    assert started.wait(10)
    panel.stop()
    panel.wait(10)
    assert job.state == "stopped"
    assert done == [job.result]
    assert job.result.startswith("best of ")
    assert panel.messages[-1].text.endswith("the results so far are kept")


def test_generator_hands_over_each_result_and_the_last_one_survives_stop():
    panel, seen, done, third = Table(), [], [], threading.Event()

    def rows(*, progress, cancel):
        for row in range(1, 1000):
            progress(row, 1000, "measuring")
            yield row
            if row == 3:
                third.set()
                while not cancel.cancelled:
                    time.sleep(0.002)
            cancel.raise_if_cancelled()

    panel.run_job(rows, on_result=seen.append, on_done=done.append)
    assert third.wait(10)
    panel.stop()
    assert panel.wait(10) == 3
    assert seen == [1, 2, 3]
    assert done == [3]


def test_function_without_cancel_is_stopped_at_its_next_progress():
    panel, started = Table(), threading.Event()

    def deaf(progress):
        for step in range(1000):
            progress(step, 1000, "")
            started.set()
            time.sleep(0.002)

    job = panel.run_job(deaf)
    assert started.wait(10)
    panel.stop()
    panel.wait(10)
    assert job.state == "stopped"


def test_error_in_a_job_is_one_line_and_keeps_its_traceback():
    panel = Table()

    def broken(progress, cancel):
        raise RuntimeError("first line\nsecond <line>")

    job = panel.run_job(broken, label="Training")
    assert panel.wait(10) is None
    assert job.state == "failed"
    message = panel.messages[-1]
    assert message.level == "error"
    assert message.text.startswith("Training failed after ")
    assert message.text.endswith("RuntimeError: first line second <line>")
    assert "&lt;line&gt;" in panel._status.value
    assert "in broken" in panel.last_traceback
    panel.run_job(count, 1)
    assert panel.wait(10) == 1


def test_error_in_what_takes_the_result_is_one_line_too():
    panel = Table()
    panel.run_job(count, 1, on_done=lambda result: 1 / 0, label="Counting")
    panel.wait(10)
    assert panel.messages[-1].text == "Counting: ZeroDivisionError: division by zero"
    assert not panel.running


def test_error_in_what_takes_a_partial_result_does_not_leave_the_panel_busy():
    panel = Table()

    def rows(progress, cancel):
        yield 1

    panel.run_job(rows, on_result=lambda value: 1 / 0)
    panel.wait(10)
    assert not panel.running
    assert "ZeroDivisionError" in panel.messages[-1].text


def test_wait_times_out_without_ending_the_job():
    panel, gate = Table(), threading.Event()
    panel.run_job(count, 1, gate=gate, label="Counting")
    with pytest.raises(TimeoutError, match=r"Counting was not done within 0\.05 s"):
        panel.wait(0.05)
    assert panel.running
    gate.set()
    assert panel.wait(10) == 1
    assert Table().wait() is None


def test_results_arrive_on_the_thread_of_a_running_loop_and_waiting_there_does_not_deadlock():
    async def notebook():
        panel, threads = Table(), []
        panel.run_job(count, 2, on_done=lambda result: threads.append(threading.current_thread()))
        while panel.running:
            await asyncio.sleep(0.01)
        panel.run_job(count, 2, on_done=lambda result: threads.append(threading.current_thread()))
        assert panel.wait(10) == 2
        return threads

    assert asyncio.run(notebook()) == [threading.main_thread()] * 2


@pytest.mark.notebook
def test_wait_in_a_cell_of_a_headless_notebook():
    cells = [
        "from workbench.panels.base import Panel\nimport threading, time",
        "def work(progress, cancel):\n    for i in range(5):\n        progress(i, 5, 'w'); time.sleep(0.05)\n    return 'done'",
        "seen = []\npanel = Panel()\npanel.run_job(work, on_done=lambda r: seen.append(threading.current_thread()))\n"
        "assert panel.wait(20) == 'done'\nassert seen == [threading.main_thread()]",
        "panel.run_job(work, on_done=lambda r: seen.append(threading.current_thread()))",
        "import asyncio\nawait asyncio.sleep(1)\nassert seen == [threading.main_thread()] * 2\npanel",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()


def file(name, content):
    modified = datetime.datetime(2024, 5, 1, tzinfo=datetime.UTC)
    entry = {"name": name, "type": "text/csv", "size": len(content), "content": memoryview(content)}
    return entry | {"last_modified": modified}


def test_good_file_is_handed_over_and_can_be_chosen_again():
    panel = Table()
    for _ in range(2):
        panel.received = None
        panel.upload.value = (file("mine.csv", b"images,error\n1,2\n"),)
        assert panel.received == ("mine.csv", b"images,error\n1,2\n")
        assert panel.upload.value == ()
    assert panel.messages[-1].text == "Loaded mine.csv (17 B)"
    assert panel.messages[-1].level == "good"


def test_bad_file_is_one_line_and_changes_nothing():
    panel = Table()
    panel.upload.value = (file("bad.csv", b"nothing"),)
    assert panel.messages[-1].level == "error"
    assert panel.messages[-1].text == "bad.csv: 'bad.csv' has one column: expected images, error"
    assert "ValueError" in panel.last_traceback
    assert not hasattr(panel, "received")
    panel.upload.value = (file("good.csv", b"a,b"),)
    assert panel.messages[-1].level == "good"


def widget_of(panel, kind, description=""):
    def walk(widget):
        yield widget
        for child in getattr(widget, "children", ()):
            yield from walk(child)

    return next(
        w for w in walk(panel.widget) if type(w).__name__ == kind and (not description or w.description == description)
    )


def test_pasted_text_and_paths_are_handed_over():
    panel = Table()
    widget_of(panel, "Textarea").value = "a,b\n1,2"
    widget_of(panel, "Button", "Use this text").click()
    assert panel.received == ("pasted.csv", b"a,b\n1,2")
    widget_of(panel, "Button", "Load").click()
    assert "path must not be empty" in panel.messages[-1].text
    widget_of(panel, "Text", "Folder").value = "/nowhere"
    widget_of(panel, "Button", "Load").click()
    assert panel.messages[-1].text == "nothing at /nowhere"


def test_export_of_the_numbers_and_of_the_figures(tmp_path):
    panel = Table()
    panel.export_csv(tmp_path / "new" / "table.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "new" / "table.csv"), panel.table)
    panel.export_html(tmp_path / "figures.html")
    page = (tmp_path / "figures.html").read_text()
    assert "<title>A table &amp; its curve</title>" in page
    assert "Plotly.newPlot" in page
    assert 'src="http' not in page
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_export_that_fails_leaves_the_old_file(tmp_path):
    panel = Table()
    path = tmp_path / "table.csv"
    panel.export_csv(path)
    before = path.read_bytes()
    panel.table = None
    with pytest.raises(AttributeError):
        panel.export_csv(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_export_buttons_hand_the_bytes_to_the_page():
    panel, sent = Table(), []
    panel._page.send = lambda message, buffers: sent.append((message, buffers[0]))
    widget_of(panel, "Button", "Save numbers (CSV)").click()
    widget_of(panel, "Button", "Save figures (HTML)").click()
    (csv, table), (page, figures) = sent
    assert csv == {"kind": "download", "name": "a-table-its-curve.csv", "mime": "text/csv"}
    assert table == b"images,error\n10,0.5\n20,0.25\n"
    assert page["name"] == "a-table-its-curve.html"
    assert figures.startswith(b"<!DOCTYPE html>")
    panel.table = None
    widget_of(panel, "Button", "Save numbers (CSV)").click()
    assert panel.messages[-1].level == "error"


def test_panel_without_a_table_offers_no_csv():
    class Plain(Panel):
        pass

    with pytest.raises(StopIteration):
        widget_of(Plain(), "Button", "Save numbers (CSV)")
    with pytest.raises(NotImplementedError, match="Plain has no table to export"):
        Plain().frame()


def test_camera_of_a_figure_saves_at_twice_the_size():
    options = Table().figure._config["toImageButtonOptions"]
    assert options == {"format": "png", "scale": 2, "filename": "error"}


def test_messages_are_escaped_and_levels_are_checked():
    panel = Table()
    panel.say("<b>bold</b>", "good")
    assert "&lt;b&gt;bold&lt;/b&gt;" in panel._status.value
    assert 'role="status"' in panel._status.value
    with pytest.raises(ValueError, match="level must be one of info, good, warning, error, got 'loud'"):
        panel.say("text", "loud")
    panel.say("")
    assert panel._status.value == ""
    assert panel.messages[-1].text == "<b>bold</b>"


def test_figures_of_a_kernel_share_one_copy_of_plotly():
    panel = Table()
    other = Table()
    assert panel.figure._script == other.figure._script
    assert len(panel.figure._esm) < 5000


def test_page_that_opens_later_gets_the_curves_as_they_are():
    panel = Table()
    with panel.figure.batch_update():
        panel.figure.data[0].y = [0.75, 0.5]
        panel.figure.layout.yaxis.type = "log"
    state = panel.figure.get_state()
    (trace,) = state["_widget_data"]
    assert list(trace["y"]) == [0.75, 0.5]
    assert trace["uid"] == panel.figure.data[0].uid
    assert state["_widget_layout"]["yaxis"]["type"] == "log"
    assert "_widget_data" not in panel.figure.get_state(key="tooltip")
