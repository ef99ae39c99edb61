import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import pidkd
from pidkd.display.atoms import LOOKS
from pidkd.display.listing import EstimatorsTable, estimator_rows
from pidkd.display.terminal import AtomsBar, Legend, to_text
from pidkd.errors import InputError
from pidkd.files.json import read_json, write_json
from pidkd.result import ATOMS
from pidkd.synthetic import gate

AND = pidkd.decompose(gate("and").pmf, estimator="mmi")


def shown(renderable, width: int = 100, encoding: str = "utf-8") -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Console(file=stream, width=width).print(renderable)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


@given(
    st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(lambda parts: sum(parts) > 1e-6),
    st.floats(1, 3),
    st.integers(4, 60),
)
def test_a_bar_has_the_right_length_and_every_part_is_right_within_a_cell(parts, room, width):
    scale = sum(parts) * room
    bar = shown(AtomsBar(dict(zip(ATOMS, parts, strict=True)), scale, width)).rstrip("\n")
    assert len(bar) == width
    drawn = [bar.count(LOOKS[name].glyph) for name in ATOMS]
    assert abs(sum(drawn) - width / room) <= 0.5 + 1e-9
    assert all(abs(cells - part / scale * width) <= 1 for cells, part in zip(drawn, parts, strict=True))


def test_a_negative_atom_takes_no_room():
    bar = shown(AtomsBar({"redundant": 0.5, "unique_t": -0.1, "unique_s": 0.0, "synergistic": 0.5}, 1.0, 10))
    assert bar == "█" * 5 + "░" * 5


def test_a_terminal_that_only_knows_ascii():
    assert "#" in shown(Legend(), encoding="ascii")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_fit_the_terminal(width):
    assert max(map(len, to_text(Legend(), width).splitlines())) <= width


def test_every_estimator_is_in_the_table_with_what_it_needs():
    rows = estimator_rows("pid")
    assert [row["name"] for row in rows] == pidkd.list_estimators("pid")
    text = to_text(EstimatorsTable(rows), width=200)
    for row in rows:
        [line] = [line for line in text.splitlines() if line.split()[:1] == [row["name"]]]
        assert all(f"pidkd[{extra}]" in line for extra in row["requires"].values())


@pytest.mark.parametrize("width", [40, 60, 80])
def test_the_table_of_estimators_cuts_no_word(width):
    text = to_text(EstimatorsTable(estimator_rows("pid")), width)
    assert "…" not in text
    assert all(name in text.split() for name in pidkd.list_estimators("pid"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64("-inf")])
def test_json_never_holds_nan_or_infinity(tmp_path, value):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"x": value})
    assert list(tmp_path.iterdir()) == []


def test_json_round_trip(tmp_path):
    data = {"schön": [1, 0.1, None, "inf"]}
    write_json(tmp_path / "a.json", data)
    assert read_json(tmp_path / "a.json") == data


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"a": NaN}', "expected JSON, got something else (the literal NaN)"),
        ('{"a": -Infinity}', "expected JSON, got something else (the literal -Infinity)"),
        ('{"a": 1', "expected JSON, got something else"),
        ("", "expected JSON, got something else"),
        ("[" * 100_000, "expected JSON, got something else"),
    ],
)
def test_what_is_no_json(tmp_path, content, complaint):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_json(path)
    assert str(caught.value).startswith(f"{path}: {complaint}")


def test_json_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"no\.json: expected a file, got nothing by that name"):
        read_json(tmp_path / "no.json")


def test_a_table_is_json_too():
    json.dumps(estimator_rows("pid"), allow_nan=False)
