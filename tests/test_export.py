"""Results as data frames, LaTeX tables and figures."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pidkd
from pidkd.errors import InputError, MissingDependencyError
from pidkd.export import html_table, latex_table
from pidkd.result import ATOMS, FORMULAS

RNG = np.random.default_rng(0)
Y, T = RNG.integers(2, size=(2, 500))
METHODS = [pidkd.Bootstrap(n=20, bias="extrapolation", repeats=2), pidkd.Permutation(n=19)]
PLAIN = pidkd.decompose(Y, T, Y ^ T)
FULL = pidkd.decompose(Y, T, Y ^ T, uncertainty=METHODS)
BATCH = pidkd.decompose_batch([pidkd.Codes(Y, T, Y ^ T), pidkd.Codes(Y, Y, T)])
MI = pidkd.mutual_information(Y + RNG.normal(size=500), Y)
RESULTS = {"plain": PLAIN, "full": FULL, "batch": BATCH, "mi": MI}


@pytest.fixture
def ax() -> Iterator[Any]:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots()
    yield axis
    pyplot.close(figure)


def test_a_frame_has_each_quantity_with_what_is_known_of_it() -> None:
    frame = FULL.to_dataframe()
    assert frame.index.tolist() == [*ATOMS, "mi_t", "mi_s", "mi"]
    assert FULL.interval is not None
    assert FULL.null is not None
    assert tuple(frame.loc["synergistic", ["low", "high"]]) == FULL.interval["synergistic"]
    assert frame.loc["mi", "null"] == FULL.null["mi"]
    assert frame.loc["unique_t", "proven_upper"] == FULL.certificate.upper
    assert (frame["units"] == "bits").all()
    assert PLAIN.to_dataframe()["low"].isna().all()


def test_a_frame_of_a_batch_has_a_row_for_each_member() -> None:
    frame = BATCH.to_dataframe()
    assert frame["synergistic"].tolist() == BATCH.synergistic.tolist()
    assert frame["status"].tolist() == BATCH.status.tolist()
    assert MI.interval is not None
    assert MI.to_dataframe().iloc[0][["value", "low", "bound"]].tolist() == [MI.value, MI.interval[0], "lower"]


@pytest.mark.parametrize("name", RESULTS)
def test_latex_is_a_table_of_equally_many_cells(name: str) -> None:
    lines = RESULTS[name].to_latex(digits=2).splitlines()
    assert lines[0].startswith(r"\begin{tabular}{l")
    assert lines[-1] == r"\end{tabular}"
    rows = [line for line in lines if line.endswith(r"\\")]
    columns = len(lines[0].partition("{tabular}")[2].strip("{}"))
    assert {row.count("&") + 1 for row in rows} == {columns}


def test_latex_holds_the_numbers_and_the_symbols() -> None:
    table = FULL.to_latex(4)
    assert all(formula in table for formula in FORMULAS.values())
    assert f"${FULL.synergistic:.4f}$" in table
    assert "chance" in table
    assert "corrected" in table
    assert "chance" not in PLAIN.to_latex()


def test_latex_escapes_text_and_knows_what_is_not_finite() -> None:
    table = latex_table(["a_b", "50 %"], [["x & y", float("inf")], ["$x_1$", float("nan")], ["#", None]], 1)
    assert r"a\_b & 50 \% \\" in table
    assert r"x \& y & $\infty$ \\" in table
    assert r"$x_1$ & $\mathrm{NaN}$ \\" in table
    assert r"\# &  \\" in table


@pytest.mark.parametrize("name", RESULTS)
def test_an_axis_goes_in_and_comes_out(name: str, ax: Any) -> None:
    assert RESULTS[name].plot(ax) is ax
    assert "(bits)" in ax.get_ylabel()
    assert ax.has_data()
    ax.figure.canvas.draw()


def test_bars_are_as_high_as_the_atoms_and_lines_stand_where_intervals_are(ax: Any) -> None:
    FULL.plot(ax)
    assert [bar.get_height() for bar in ax.patches] == list(FULL.atoms.values())
    assert FULL.interval is not None
    drawn = {tuple(segment[:, 1]) for lines in ax.collections for segment in lines.get_segments()}
    assert {FULL.interval[atom] for atom in ATOMS} <= drawn


def test_without_an_axis_there_is_a_new_figure() -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    made = PLAIN.plot()
    assert made.figure.number in pyplot.get_fignums()
    pyplot.close(made.figure)


def test_what_is_no_axis_and_no_number_of_digits_is_refused() -> None:
    with pytest.raises(InputError, match=r"plot\(ax\): expected an axis of matplotlib, or None, got str"):
        PLAIN.plot("figure")
    for digits in (-1, 2.0, True):
        with pytest.raises(InputError, match=r"to_latex\(digits\): expected a whole number >= 0"):
            PLAIN.to_latex(digits)


def test_an_environment_without_pandas_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match="expected the package 'pandas'"):
        PLAIN.to_dataframe()


def test_a_table_in_html_escapes_its_cells_and_marks_its_headings():
    page = html_table([["a<b", "1"]], "x & y")
    assert page == "<table><tr><th>a&lt;b</th><td>1</td></tr><caption>x &amp; y</caption></table>"
    assert "<tr><td>a</td>" in html_table([["a"]], "", ["name"])


def test_notebooks_show_mutual_information_batches_and_tables():
    table = np.full((2, 2, 2), 1 / 8)
    assert "16" not in pidkd.Pmf(table)._repr_html_()
    assert "<td>0.125</td>" in pidkd.Pmf(table)._repr_html_()
    assert "first 16 are shown" in pidkd.Pmf(np.full((2, 3, 4), 1 / 24))._repr_html_()
    batch = pidkd.decompose_batch([table] * 12)._repr_html_()
    assert "12 members, in bits, of which the first 10 are shown" in batch
    assert batch.count("<tr>") == 11
    y = np.arange(200) % 2
    assert "<th>I(X;Y)</th><td>1.000000 bits" in pidkd.mutual_information(y, y)._repr_html_()
