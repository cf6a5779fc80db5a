"""Latency tables: what is known is returned as it is, what is not is named, and files come back the same."""

from __future__ import annotations

import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.pruning import (
    PLATFORMS,
    RESNET_ROWS,
    ConvSpec,
    LatencyTable,
    calibrate,
    load_latency_table,
    save_latency_table,
    simulate_latency_table,
    titan_v_table,
)

from .instances import titan_v_file

SIDE = st.integers(1, 64) | st.tuples(st.integers(1, 64), st.integers(1, 64))


@st.composite
def specs(draw):
    groups = draw(st.integers(1, 8))
    inputs, outputs = (groups * draw(st.integers(1, 8)) for _ in range(2))
    return ConvSpec(draw(st.integers(1, 256)), inputs, outputs, draw(SIDE), draw(SIDE), draw(SIDE), groups, draw(SIDE))


@given(specs())
def test_key_says_all_of_a_convolution(spec):
    assert ConvSpec.parse(str(spec)) == spec


def test_keys_of_the_published_tables():
    spec = ConvSpec(256, 64, 256, 56, 1, 1)
    assert str(spec) == "256_64_256_56_1_1_1"
    assert ConvSpec.parse("256_64_256_56_1_1") == spec  # the older form
    assert ConvSpec(1, 8, 8, (56, 56), (3, 3)) == ConvSpec(1, 8, 8, 56, 3)
    assert str(ConvSpec(1, 8, 8, (56, 40), (1, 7), dilation=2)) == "1_8_8_56x40_1x7_1_1_2"


def test_macs_are_those_of_the_arithmetic():
    assert ConvSpec(2, 3, 64, 224, 7, 2).macs == 2 * 112 * 112 * 64 * 3 * 49
    assert ConvSpec(1, 32, 32, 7, 3, 2, 32).macs == 4 * 4 * 32 * 9
    assert ConvSpec(1, 0, 64, 7, 3).macs == 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0, 1, 1, 1, 1), "batch of a convolution must be a whole number of at least 1, got 0"),
        ((1, -1, 1, 1, 1), "in_channels of a convolution must be a whole number of at least 0, got -1"),
        ((1, 1.0, 1, 1, 1), "in_channels of a convolution must be whole numbers of at least 0, got 1.0"),
        ((1, 1, 1, (4, 0), 1), r"size of a convolution must be whole numbers of at least 1, got \(4, 0\)"),
        ((1, 1, 1, (4, 5, 6), 1), r"size of a convolution must be one number or a pair, got \(4, 5, 6\)"),
        ((1, 6, 8, 4, 1, 1, 4), "groups=4 does not divide 6 input and 8 output channels"),
    ],
)
def test_convolutions_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        ConvSpec(*arguments)


@pytest.mark.parametrize("key", ["", "1_2_3", "1_2_3_4_5_6_7_8_9", "a_2_3_4_5_6", "1_2_3_4_5_6.0", 7])
def test_texts_that_are_no_key(key):
    with pytest.raises(ValueError, match="is no key of a latency table"):
        ConvSpec.parse(key)


TABLE = {"8_16_16_14_3_1_1": 1.0, "8_16_32_14_3_1_1": 3.0, "8_32_16_14_3_1_1": 2.0, "8_32_32_14_3_1_1": 8.0}


def test_known_rows_are_returned_and_nothing_costs_nothing():
    table = LatencyTable(TABLE)
    assert table(ConvSpec(8, 16, 32, 14, 3)) == 3.0
    assert table(ConvSpec(8, 16, 0, 14, 3)) == table(ConvSpec(8, 0, 16, 14, 3)) == 0.0
    assert len(table) == 4
    assert dict(table) == {ConvSpec.parse(key): ms for key, ms in TABLE.items()}


def test_unknown_layer_is_named_with_the_nearest_rows():
    with pytest.raises(KeyError, match=r"8_16_30_14_3_1_1 is not among the 4 rows .* nearest are 8_16_32_14_3_1_1, "):
        LatencyTable(TABLE)(ConvSpec(8, 16, 30, 14, 3))
    with pytest.raises(KeyError, match="the nearest are none"):
        LatencyTable()(ConvSpec(8, 16, 30, 14, 3))


def test_another_batch_is_an_error_and_never_scaled():
    for missing in ("error", "interpolate"):
        with pytest.raises(ValueError, match="a batch of 1, but the table was measured with 8"):
            LatencyTable(TABLE, missing=missing)(ConvSpec(1, 16, 32, 14, 3))


def test_interpolation_is_straight_between_widths_and_stops_at_the_outermost():
    table = LatencyTable(TABLE, missing="interpolate")
    assert table(ConvSpec(8, 16, 24, 14, 3)) == 2.0
    assert table(ConvSpec(8, 24, 16, 14, 3)) == 1.5
    assert table(ConvSpec(8, 24, 24, 14, 3)) == 3.5
    for outside in ((16, 8), (16, 33), (8, 16), (40, 32)):
        with pytest.raises(KeyError, match="nor between its widths"):
            table(ConvSpec(8, *outside, 14, 3))
    with pytest.raises(KeyError):
        table(ConvSpec(8, 16, 24, 14, 3, 2))  # another stride is another layer


def test_interpolation_of_the_published_tables_is_the_mean_of_the_neighbours():
    """They have every second width; the follow-up code averages the rows at one channel less and more."""
    rows = {"4_8_8_7_1_1_1": 1.0, "4_8_10_7_1_1_1": 2.0, "4_10_8_7_1_1_1": 4.0, "4_10_10_7_1_1_1": 9.0}
    assert LatencyTable(rows, missing="interpolate")(ConvSpec(4, 9, 9, 7, 1)) == 4.0


def test_depthwise_layers_are_interpolated_over_their_channels():
    table = LatencyTable(
        {"1_8_8_14_3_1_8": 1.0, "1_16_16_14_3_1_16": 2.0, "1_8_8_14_3_1_1": 9.0}, missing="interpolate"
    )
    assert table(ConvSpec(1, 12, 12, 14, 3, 1, 12)) == 1.5
    with pytest.raises(KeyError):
        table(ConvSpec(1, 12, 12, 14, 3, 1, 6))


@pytest.mark.parametrize("ms", [float("nan"), float("inf"), 0.0, -1.0, "slow", None])
def test_ms_that_cannot_be(ms, tmp_path):
    with pytest.raises(ValueError, match=r"the row 1_1_1_1_1_1_1 has .* ms, expected a positive finite number"):
        LatencyTable({"1_1_1_1_1_1_1": ms})
    with pytest.raises(ValueError, match="the measurement of 1_1_1_1_1_1_1 has"):
        LatencyTable(measure=lambda spec: ms)(ConvSpec(1, 1, 1, 1, 1))


def test_each_convolution_is_measured_once_and_only_when_asked_for():
    asked = []

    def measure(spec):
        asked.append(spec)
        return float(len(asked))

    table = LatencyTable({"1_1_1_1_1_1_1": 5.0}, measure=measure)
    first, second = ConvSpec(1, 2, 2, 4, 3), ConvSpec(1, 2, 4, 4, 3)
    assert [table(first), table(second), table(first), table(ConvSpec(1, 1, 1, 1, 1))] == [1.0, 2.0, 1.0, 5.0]
    table.fill([first, second, ConvSpec(1, 0, 2, 4, 3)])
    assert asked == [first, second]


def test_rows_and_measurements_of_different_origin_are_not_mixed():
    timer = simulate_latency_table("xavier").measure
    with pytest.raises(
        ValueError, match=r"device 'a phone', and measure has 'Jetson Xavier \(simulated, illustrative\)'"
    ):
        LatencyTable(TABLE, measure=timer, about={"device": "a phone"})
    with pytest.raises(ValueError, match="missing must be one of error, interpolate, got 'guess'"):
        LatencyTable(missing="guess")


@pytest.mark.parametrize("suffix", [".csv", ".json", ".pkl"])
def test_a_saved_table_comes_back(tmp_path, suffix):
    rows = dict(TABLE) | {"1_8_8_56x40_1x7_2_8_2": math.pi}
    table = LatencyTable(rows, about={"device": "mine: a CPU", "threads": "1"})
    loaded = load_latency_table(save_latency_table(table, tmp_path / f"table{suffix}"))
    assert dict(loaded) == dict(table)
    assert loaded.about == ({} if suffix == ".pkl" else table.about)


def test_published_pickle_and_plain_dictionaries_are_read(tmp_path):
    (tmp_path / "lut.pkl").write_bytes(pickle.dumps({"256_64_256_56_1_1_1": 4.858, "256_64_64_56_1_1": 1.349}))
    table = load_latency_table(tmp_path / "lut.pkl")
    assert table(ConvSpec(256, 64, 256, 56, 1)) == 4.858
    assert table(ConvSpec(256, 64, 64, 56, 1)) == 1.349
    (tmp_path / "lut.json").write_text(json.dumps(TABLE))
    assert len(load_latency_table(tmp_path / "lut.json")) == 4


class Marker:
    """A pickle of this calls ``open`` with a path: the file is there if the pickle was run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("protocol", range(6))
def test_pickle_that_names_a_function_is_refused_and_not_run(tmp_path, protocol):
    mark = tmp_path / "was_run"
    (tmp_path / "lut.pkl").write_bytes(pickle.dumps({"1_1_1_1_1_1_1": Marker(str(mark))}, protocol))
    with pytest.raises(ValueError, match=r"lut.pkl cannot be read as a pickle: it names .*open"):
        load_latency_table(tmp_path / "lut.pkl")
    assert not mark.exists()
    (tmp_path / "lut.pkl").write_bytes(pickle.dumps({"1_1_1_1_1_1_1": np.float64(1.0)}, protocol))
    with pytest.raises(ValueError, match="it names numpy"):
        load_latency_table(tmp_path / "lut.pkl")


def test_csv_of_any_column_order_without_groups_is_read(tmp_path):
    (tmp_path / "t.csv").write_text(
        "\ufeff# device: phone\n\nms,batch,cin,cout,fmap,kernel,stride\n2.5,1,3,8,32,3,2\n", "utf-8"
    )
    table = load_latency_table(tmp_path / "t.csv")
    assert dict(table) == {ConvSpec(1, 3, 8, 32, 3, 2): 2.5}
    assert table.about == {"device": "phone"}


def test_once_for_all_tables_give_their_plain_convolutions(tmp_path):
    (tmp_path / "note10.yaml").write_text(
        "Conv-input:224x224x3-output:112x112x16: {count: 9, mean: 1.5, var: 0.1}\n"
        "Conv_1-input:7x7x160-output:7x7x960: {count: 9, mean: 0.75, var: 0.1}\n"
        "expanded_conv-input:112x112x16-output:112x112x16-expand:16-kernel:3-stride:1-idskip:1-se:0-hs:0: {mean: 9.0}\n"
        "Logits-input:1x1x1280-output:1000: {mean: 0.3}\n"
    )
    table = load_latency_table(tmp_path / "note10.yaml")
    assert dict(table) == {ConvSpec(1, 3, 16, 224, 3, 2): 1.5, ConvSpec(1, 160, 960, 7, 1): 0.75}
    assert table.about["left out"] == "2 layers that are no plain convolution"


HEADER = "batch,cin,cout,fmap,kernel,stride,groups,ms\n"


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.csv", "batch,cin\n1,2\n", "a.csv, row 1 has no cout, fmap, kernel, stride, ms, expected the columns batch"),
        ("a.csv", HEADER + "1,3,8,32,3,2,1,1.0\n1,3,x,32,3,2,1,1.0\n", "a.csv, row 2: invalid literal for int.*'x'"),
        ("a.csv", HEADER + "1,3,8,32,3,2,1,\n", "a.csv, row 1: could not convert string to float"),
        ("a.csv", HEADER + "1,3,8,32,3,2,1,-4\n", "a.csv: the row 1_3_8_32_3_2_1 has -4.0 ms"),
        ("a.csv", HEADER + "1,3,8,32,3,2,1,nan\n", "a.csv: the row 1_3_8_32_3_2_1 has nan ms"),
        ("a.csv", HEADER + "1,3,8,32,3,2,5,1\n", "a.csv, row 1: groups=5 does not divide"),
        (
            "a.csv",
            HEADER + "1,3,8,32,3,2,1,1\n1,3,8,32,3,2,1,2\n",
            "row 2: 1_3_8_32_3_2_1 has 2 ms here and 1 ms before",
        ),
        ("a.csv", b"\xff\xfe\x00", "a.csv is not readable: 'utf-8' codec"),
        ("a.json", "{", "a.json is not readable: Expecting property name"),
        ("a.json", "3", "a.json holds a int, expected a dictionary of keys and ms"),
        ("a.json", "[3]", "a.json, row 1 is 3, expected the columns"),
        ("a.json", '{"x": 1}', "a.json: 'x' is no key of a latency table"),
        ("a.pkl", b"nonsense", "a.pkl cannot be read as a pickle"),
        ("a.pkl", pickle.dumps([1, 2]), "a.pkl holds a list"),
        ("a.pkl", pickle.dumps({1: 2.0}), "a.pkl: 1 is no key"),
        ("a.yaml", "Logits-input:1x1x8-output:10: {mean: 1}", "a.yaml has none of the plain convolutions"),
        (
            "a.yaml",
            "Conv-input:8x8x3-output:4x4x8: 3",
            "layer Conv-input:8x8x3-output:4x4x8: has 3, expected count, mean and var",
        ),
        ("a.yaml", "- 1", "a.yaml holds a list"),
        ("a.yaml", "a: [", "a.yaml is not readable"),
        ("a.xlsx", "", r"has the suffix '.xlsx', expected one of .csv, .json, .pkl, .yaml, .yml"),
    ],
)
def test_files_that_cannot_be_read_are_named_with_their_row(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=message):
        load_latency_table(path)


def test_missing_file_and_unknown_suffix(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no latency table at .*none\.csv"):
        load_latency_table(tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"expected \.csv, \.json or \.pkl"):
        save_latency_table(LatencyTable(), tmp_path / "t.txt")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_simulated_latency_is_flat_within_a_tile_and_rises_at_its_end(platform):
    table, tile = simulate_latency_table(platform), PLATFORMS[platform].tile_out
    steps = np.array([table(ConvSpec(256, 512, width, 14, 3)) for width in range(1, 4 * tile + 1)])
    assert np.allclose(np.flatnonzero(np.diff(steps) > 1e-9) + 1, [tile, 2 * tile, 3 * tile])
    assert "simulated" in table.about["device"]


def test_simulated_latency_is_that_of_the_formula():
    platform = PLATFORMS["titan_v"]
    compute = 2 * 256 * 28 * 28 * 9 * 32 * 64 / (14_000e6)  # 20 inputs and 40 outputs fill 2 x 16 and 2 x 32
    assert platform(ConvSpec(256, 20, 40, 28, 3)) == pytest.approx(0.01 + compute)
    memory = 4 * 256 * 2 * 512 * 28 * 28 / 650e6
    assert platform(ConvSpec(256, 512, 512, 28, 3, 1, 512)) == pytest.approx(0.01 + memory)
    with pytest.raises(ValueError, match="platform must be one of titan_v, jetson_tx2, xavier, xeon_e5"):
        simulate_latency_table("abacus")


def test_titan_v_rows_are_answered_exactly_and_more_channels_can_be_faster():
    table = titan_v_table()
    for row in RESNET_ROWS:
        assert [table(row.spec(step + 1)) for step in range(len(row.ms))] == list(row.ms)
    assert table(ConvSpec(256, 1024, 192, 14, 1)) > table(ConvSpec(256, 1024, 256, 14, 1))
    assert table(ConvSpec(256, 512, 48, 7, 3)) == pytest.approx((1.073 + 1.964) / 2)
    assert table(ConvSpec(256, 128, 512, 7, 3)) == pytest.approx(16.179 / 4)
    with pytest.raises(KeyError, match="1_64_64_56_3_1_1 is no layer of ResNet-50 or ResNet-101 at batch 256"):
        table(ConvSpec(1, 64, 64, 56, 3))


def test_titan_v_rows_are_those_of_the_full_tables():
    full = load_latency_table(titan_v_file("titanv_resnet_lut.json"))
    compact = titan_v_table()
    listed = list(compact)
    assert [compact(spec) for spec in listed] == [full(spec) for spec in listed]
    errors = [abs(compact(spec) / ms - 1) for spec, ms in full.items() if spec not in listed]
    assert len(errors) == 1099
    assert np.median(errors) < 0.06
    assert np.quantile(errors, 0.9) < 0.24


@given(st.floats(0.2, 5), st.floats(0, 20), st.lists(st.integers(1, 500), min_size=2, max_size=9, unique=True))
def test_calibration_finds_the_line(slope, intercept, sums):
    real = slope * np.array(sums) + intercept
    line = calibrate(sums, real)
    assert np.allclose(line(sums), real)
    assert line.rank_correlation == pytest.approx(1)
    assert line.networks == len(sums)


@pytest.mark.parametrize(
    "table, real, message",
    [
        ([1, 2], [1], r"one length, got shapes \(2,\) and \(1,\)"),
        ([1, np.nan], [1, 2], r"table\[1\] is nan, expected positive finite ms"),
        ([1, 2], [1, -2], r"real\[1\] is -2.0"),
        ([2, 2], [1, 2], "two different sums over the table at least, got"),
    ],
)
def test_networks_that_give_no_line(table, real, message):
    with pytest.raises(ValueError, match=message):
        calibrate(table, real)
