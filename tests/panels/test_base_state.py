"""The state of a panel: refusals, restoring, linking, and one redraw in place per change."""

from __future__ import annotations

import re
import time

import ipywidgets as widgets
import numpy as np
import pytest
import traitlets

from workbench.figures.theme import new_figure
from workbench.panels.base import Panel
from workbench.panels.controls import Controls
from workbench.panels.links import link
from workbench.panels.memory import forget


class Curves(Panel):
    """One curve in each of two views, with a count of the redraws."""

    title = "Curves"
    target = traitlets.Float(0.5)
    images = traitlets.Int(100)
    law = traitlets.Unicode("power")
    show = traitlets.Bool(True)
    window = traitlets.Tuple((2.0, 4.0))
    laws = traitlets.Tuple(())
    rate = traitlets.Float(1.0)
    scratch = traitlets.Any(None).tag(state=False)

    def build(self):
        self.redraws, self.drawn = [], []
        self.slider("target", 0, 1, 0.01, "Target", "ratio", tooltip="What is asked for")
        self.slider("images", 10, 1000, 10, "Images", "count")
        self.slider("window", 0, 10, 0.5, "Window", "s")
        self.slider("rate", 0.01, 100, description="Rate", log=True)
        self.dropdown("law", {"Power law": "power", "Logarithm": "log"}, "Law")
        self.several("laws", ["power", "log", "arctan"], "Laws")
        self.toggle("show", "Show the curve")
        self.x = np.linspace(0, 1, 50)
        self.first = self.add_figure(new_figure("First", "Time (s)", "Height (m)"))
        self.first.add_scatter(x=self.x)
        self.second = self.add_figure(new_figure("Second", "Time (s)", "Height (m)"))
        self.second.add_scatter(x=self.x)
        self.add_view("One", [self.first], self.draw_first)
        self.add_view("Two", [self.second], self.draw_second)

    def redraw(self, changed):
        self.redraws.append(changed)

    def draw_first(self, changed):
        self.drawn.append(("One", changed))
        self.first.data[0].y = self.x * self.target

    def draw_second(self, changed):
        self.drawn.append(("Two", changed))
        self.second.data[0].y = self.x + self.target


@pytest.fixture(autouse=True)
def _fresh_kernel():
    forget()


def state(panel):
    return {name: getattr(panel, name) for name in panel.controls}


@pytest.mark.parametrize(
    "name, value, kind, message",
    [
        ("target", 1.5, ValueError, "target must be from 0 to 1 (ratio), got 1.5"),
        ("target", float("nan"), ValueError, "target must be from 0 to 1 (ratio), got nan"),
        ("target", "half", TypeError, "target must be a number from 0 to 1 (ratio), got 'half' (str)"),
        ("target", True, TypeError, "target must be a number"),
        ("images", 5, ValueError, "images must be from 10 to 1000 (count), got 5"),
        ("images", 50.5, TypeError, "images must be an int, got 50.5 (float)"),
        ("law", "linear", ValueError, "law must be one of 'power', 'log', got 'linear'"),
        ("show", "yes", TypeError, "show must be a boolean, got 'yes' (str)"),
        ("window", (1, 20), ValueError, "window must be from 0 to 10 (s), got 20"),
        ("window", (5, 2), ValueError, "window must be a pair (lower, upper) with lower <= upper, got (5, 2)"),
        ("window", 3, TypeError, "window must be a pair (lower, upper), got 3"),
        ("laws", ("power", "cubic"), ValueError, "laws must be one of 'power', 'log', 'arctan', got 'cubic'"),
        ("laws", 3, TypeError, "laws must be a tuple of choices, got 3"),
        ("view", "Three", ValueError, "view must be one of 'One', 'Two', got 'Three'"),
    ],
)
def test_wrong_value_is_refused_in_plain_words_and_changes_nothing(name, value, kind, message):
    panel = Curves()
    before, redraws = state(panel), len(panel.redraws)
    with pytest.raises(kind, match=re.escape(message)):
        setattr(panel, name, value)
    assert state(panel) == before
    assert panel.controls["target"].value == before["target"]
    assert len(panel.redraws) == redraws


def test_update_sets_all_values_or_none():
    panel = Curves()
    before = len(panel.redraws)
    panel.update(target=0.25, images=200)
    assert (panel.target, panel.images) == (0.25, 200)
    assert panel.redraws[before:] == [frozenset({"target", "images"})]
    with pytest.raises(ValueError, match="images must be"):
        panel.update(target=0.75, images=-1)
    assert panel.target == 0.25
    with pytest.raises(AttributeError, match="Curves has no trait 'colour'"):
        panel.update(colour="red")


def test_first_value_of_an_unknown_trait_or_outside_of_its_range_is_refused():
    with pytest.raises(TypeError, match="Curves has no trait colour"):
        Curves(colour="red")
    with pytest.raises(ValueError, match="target must be from 0 to 1"):
        Curves(target=3)


def test_slider_that_cannot_hold_its_trait_is_refused():
    class Wrong(Panel):
        target = traitlets.Float(5.0)

        def build(self):
            self.slider("target", 0, 1)

    with pytest.raises(ValueError, match=r"target must be from 0 to 1, got 5\.0"):
        Wrong()

    class Empty(Panel):
        target = traitlets.Float(0.0)

        def build(self):
            self.slider("target", 1, 0)

    with pytest.raises(ValueError, match="slider 'target' needs min < max, got min=1 and max=0"):
        Empty()


def test_numpy_scalars_are_taken_like_numbers():
    panel = Curves()
    panel.update(target=np.float32(0.25), images=np.int64(300), show=np.bool_(False))
    assert (panel.target, panel.images, panel.show) == (0.25, 300, False)
    assert type(panel.images) is int


@pytest.mark.parametrize(
    "name, value",
    [
        ("target", 0.75), ("images", 500), ("law", "log"), ("show", False),
        ("window", (1.0, 3.0)), ("laws", ("power", "log")), ("rate", 10.0),
    ],
)  # fmt: skip
def test_control_and_attribute_follow_each_other(name, value):
    panel = Curves()
    start = getattr(panel, name)
    setattr(panel, name, value)
    assert panel.controls[name].value == value
    panel.controls[name].value = start
    assert getattr(panel, name) == start


def test_change_redraws_once_and_hold_joins_several():
    panel = Curves()
    assert len(panel.redraws) == 1
    panel.target = 0.6
    assert panel.redraws[1:] == [frozenset({"target"})]
    panel.target = 0.6
    assert len(panel.redraws) == 2
    with panel.hold():
        panel.target = 0.7
        panel.images = 50
        assert len(panel.redraws) == 2
    assert panel.redraws[2:] == [frozenset({"target", "images"})]
    panel.controls["target"].value = 0.1
    assert panel.redraws[3:] == [frozenset({"target"})]


def test_redraw_that_sets_a_trait_is_followed_up_and_ends():
    class Chasing(Panel):
        low, high = traitlets.Int(0), traitlets.Int(1)

        def build(self):
            self.calls = 0

        def redraw(self, changed):
            self.calls += 1
            if self.high <= self.low:
                self.high = self.low + 1

    panel = Chasing()
    panel.low = 5
    assert panel.high == 6
    assert panel.calls == 3


def test_traces_are_updated_in_place_in_one_message():
    panel = Curves()
    trace, uid = panel.first.data[0], panel.first.data[0].uid
    messages = []
    panel.first.observe(lambda change: messages.append(change["new"]), names="_py2js_update")
    panel.target = 0.9
    assert panel.first.data[0] is trace
    assert panel.first.data[0].uid == uid
    assert np.allclose(trace.y, panel.x * 0.9)
    assert len([message for message in messages if message]) == 1


def test_trace_outside_of_a_batch_is_sent_what_it_has():
    class Target(Panel):
        level = traitlets.Float(1.0)

        def build(self):
            self.figure = self.add_figure(new_figure("Level", "Time (s)", "Height (m)"))
            self.figure.add_scatter(y=[1, 2])
            self.figure.add_scatter(y=[3, 4], marker_size=9)

        def redraw(self, changed):
            self.figure.data[0].update(y=[self.level, self.level], marker_size=5)
            self.figure.data[1].name = f"level {self.level}"

    panel = Target()
    sent = []
    panel.figure.observe(lambda change: sent.append(change["new"]), names="_py2js_update")
    panel.level = 2.0
    (message,) = filter(None, sent)
    assert list(message["style_data"]["y"][1]) == [3, 4]
    assert message["style_data"]["name"] == [None, "level 2.0"]
    wire = panel.figure.trait_metadata("_py2js_update", "to_json")(message, None)
    assert "_undefined_" not in repr(wire)


def test_hidden_view_is_drawn_when_it_is_looked_at_with_all_that_changed():
    panel = Curves()
    assert {title for title, _ in panel.drawn} == {"One"}
    panel.drawn.clear()
    panel.target = 0.7
    panel.images = 50
    assert panel.drawn == [("One", frozenset({"target"})), ("One", frozenset({"images"}))]
    assert panel.second.data[0].y is None
    assert panel.shown_figures() == [panel.first]
    panel.drawn.clear()
    panel.view = "Two"
    assert [title for title, _ in panel.drawn] == ["Two"]
    assert {"target", "images"} <= panel.drawn[0][1]
    assert np.allclose(panel.second.data[0].y, panel.x + 0.7)
    panel.drawn.clear()
    panel._views.selected_index = 0
    assert panel.view == "One"
    assert panel.drawn == []


def test_same_key_finds_its_state_again_and_reset_goes_back():
    first = Curves(key="play", images=200)
    first.update(target=0.8, law="log", view="Two")
    second = Curves(key="play", images=200)
    assert (second.target, second.law, second.images, second.view) == (0.8, "log", 200, "Two")
    assert second.controls["target"].value == 0.8
    assert np.allclose(second.second.data[0].y, second.x + 0.8)
    second.reset()
    assert (second.target, second.law, second.images, second.view) == (0.5, "power", 200, "One")
    third = Curves(key="play", images=200)
    assert third.target == 0.5


def test_value_that_was_edited_in_the_cell_wins_over_the_memory():
    Curves(key="play", target=0.2).update(target=0.8, images=300)
    edited = Curves(key="play", target=0.3)
    assert (edited.target, edited.images) == (0.3, 300)


def test_remembered_value_that_no_longer_fits_falls_back_to_the_default():
    Curves(key="play").images = 900

    def narrow(self):
        self.redraws, self.drawn = [], []
        Controls.slider(self, "images", 10, 500)

    changed = type("Curves", (Curves,), {"build": narrow, "__module__": Curves.__module__, "__qualname__": "Curves"})
    assert changed(key="play").images == 100


def test_new_panel_of_a_key_takes_the_place_of_the_old_one():
    first = Curves(key="play")
    model = first.widget.model_id
    second = Curves(key="play")
    assert (
        model not in widgets.widget._instances if hasattr(widgets.widget, "_instances") else first.widget.comm is None
    )
    assert second.widget.comm is not None


def test_two_panels_are_independent_until_they_are_linked():
    one, two = Curves(), Curves(target=0.1)
    one.target = 0.9
    assert two.target == 0.1
    tie = link(one, "target", two, "target")
    assert two.target == 0.9
    two.controls["target"].value = 0.3
    assert one.target == 0.3
    tie.unlink()
    one.target = 0.6
    assert two.target == 0.3
    with pytest.raises(AttributeError, match="Curves has no trait 'goal'"):
        link(one, "goal", two, "target")


def test_linked_panel_that_cannot_follow_keeps_its_value_and_says_so():
    class Narrow(Panel):
        target = traitlets.Float(0.1)

        def build(self):
            self.slider("target", 0, 0.5)

    wide, narrow = Curves(target=0.2), Narrow()
    link(wide, "target", narrow, "target")
    wide.target = 0.9
    assert narrow.target == 0.2
    assert narrow.messages[-1].level == "warning"
    assert "target must be from 0 to 0.5, got 0.9" in narrow.messages[-1].text


def test_range_and_options_can_change_with_the_data():
    panel = Curves()
    panel.set_range("images", 1000, 5000)
    assert (panel.images, panel.controls["images"].min, panel.controls["images"].max) == (1000, 1000, 5000)
    panel.images = 4000
    with pytest.raises(ValueError, match=re.escape("images must be from 1000 to 5000 (count), got 100")):
        panel.images = 100
    panel.set_options("law", ["linear", "cubic"])
    assert panel.law == panel.controls["law"].value == "linear"
    panel.law = "cubic"
    assert panel.controls["law"].value == "cubic"


def test_a_page_gets_a_range_and_the_value_in_it_in_one_message():
    panel = Curves()
    slider, sent = panel.controls["images"], []
    slider.send_state = lambda key=None: sent.append(list(slider.get_state(key)))
    panel.set_range("images", 1000, 5000)
    assert [sorted(keys) for keys in sent] == [["max", "min", "value"]]
    assert sent[0][-1] == "value", "a page applies them in this order"


def test_a_value_that_a_page_sends_back_with_a_rounding_error_is_no_change():
    panel = Curves(target=0.3)
    panel.controls["target"].value = 0.1 + 0.2
    assert panel.target == 0.3
    panel.controls["target"].value = 0.31
    assert panel.target == 0.31


def test_controls_show_units_tooltips_and_whole_descriptions():
    panel = Curves()
    slider = panel.controls["target"]
    assert slider.description == "Target (ratio)"
    assert slider.tooltip == "What is asked for"
    assert all(control.style.description_width == "initial" for control in panel.controls.values())
    assert isinstance(panel.controls["images"], widgets.IntSlider)
    assert isinstance(panel.controls["rate"], widgets.FloatLogSlider)


def test_redraw_that_fails_behind_a_slider_becomes_one_line():
    class Failing(Panel):
        target = traitlets.Float(0.5)

        def build(self):
            self.slider("target", 0, 1)

        def redraw(self, changed):
            if self.target > 0.9:
                raise ValueError("no curve\nfits")

    panel = Failing()
    panel.controls["target"].value = 0.95
    assert panel.messages[-1].text == "no curve fits"
    assert "redraw" in panel.last_traceback
    panel.controls["target"].value = 0.5
    assert "no curve" not in panel._status.value
    with pytest.raises(ValueError, match="no curve"):
        panel.target = 0.99


def test_panel_shows_itself_as_a_widget():
    panel = Curves()
    bundle = panel._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.widget.model_id
    assert repr(panel).startswith("Curves(target=0.5, images=100")


def test_report_of_the_time_of_a_redraw(record_property):
    panel = Curves()
    started = time.perf_counter()
    for step in range(100):
        panel.controls["target"].value = step / 100
    milliseconds = (time.perf_counter() - started) * 10
    record_property("slider_redraw_ms", milliseconds)
    print(f"a slider's redraw takes {milliseconds:.1f} ms")


class Stepping(Panel):
    """A slider over a few strengths, and a list of several."""

    strength = traitlets.Float(100.0)
    chosen = traitlets.Tuple(("race", "sex"))

    def build(self):
        self.steps("strength", {"0": 0.0, "100": 100.0, "10 k": 1e4}, "Strength", "rows")
        self.several("chosen", ["race", "sex", "age"], "Columns")


def test_steps_hold_given_values_alone():
    panel = Stepping()
    panel.controls["strength"].index = 2
    assert panel.strength == 1e4
    panel.strength = 0.0
    assert panel.controls["strength"].label == "0"
    with pytest.raises(ValueError, match=re.escape("strength must be one of 0.0, 100.0, 10000.0, got 50.0")):
        panel.strength = 50.0
    assert panel.controls["strength"].value == 0.0


def test_members_of_a_list_can_change_and_those_that_are_gone_are_dropped():
    panel = Stepping()
    panel.set_members("chosen", ["sex", "country"])
    assert panel.chosen == panel.controls["chosen"].value == ("sex",)
    panel.chosen = ("country", "sex")
    with pytest.raises(ValueError, match="chosen must be one of 'sex', 'country', got 'race'"):
        panel.chosen = ("race",)
    panel.set_members("chosen", [])
    assert panel.chosen == ()


def test_a_trait_that_is_no_state_is_redrawn_but_neither_remembered_nor_reset():
    class Asking(Stepping):
        answer = traitlets.Unicode("").tag(state=False)

        def build(self):
            super().build()
            self.redraws = []

        def redraw(self, changed):
            self.redraws.append(changed)

    panel = Asking(key="asking")
    panel.answer = "yes"
    assert panel.redraws[-1] == {"answer"}
    panel.reset()
    assert panel.answer == "yes"
    assert Asking(key="asking").answer == ""
