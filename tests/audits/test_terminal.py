"""The table of an audit on the terminal."""

import dataclasses
import io

import numpy as np
import pytest
from rich.console import Console

import pidkd
from pidkd.display.terminal import to_text
from pidkd.synthetic import gate

Y = np.arange(80) % 4
AND = pidkd.decompose(gate("and").pmf, estimator="mmi")
REPORT = pidkd.audit({"t": Y}, {"s": Y % 2}, Y, estimator="mmi", shuffles=0)


def table(*rows):
    """The table of these teacher layers, student layers and results."""
    pairs = [dataclasses.replace(REPORT.pairs[0], teacher=t, student=s, result=result) for t, s, result in rows]
    return dataclasses.replace(REPORT, pairs=tuple(pairs), entropy=1.0).table()


def test_numbers_have_three_digits_and_a_certificate():
    text = to_text(table(("deep", "shallow", AND)))
    [row] = [line for line in text.splitlines() if "deep" in line]
    assert row.split()[:9] == ["deep", "shallow", "0.311", "0.000", "0.000", "0.500", "0.311", "0.311", "exact"]


def test_a_loose_certificate_stands_out():
    loose = pidkd.Certificate(0.0, 0.25, "max_iter", "")
    result = pidkd.PIDResult.from_dict({**AND.to_dict(), "certificate": {**vars(loose)}})
    assert "max_iter to 2e-01" in to_text(table(("a", "b", result)))


def test_an_estimator_without_certificates_has_no_column_of_them():
    bound = pidkd.Certificate(-np.inf, np.inf, "bound", "held out")
    assert "certified" not in to_text(table(("a", "b", dataclasses.replace(AND, certificate=bound))))


def test_names_of_layers_are_no_markup():
    assert "[red]conv[/red]" in to_text(table(("[red]conv[/red]", "b", AND)))


def test_a_terminal_that_only_knows_ascii():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(file=stream, width=100).print(table(("a", "b", AND)))
    stream.flush()
    assert "#" in stream.buffer.getvalue().decode("ascii")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_lines_fit(width):
    text = to_text(table(*[("hidden10", "hidden2", AND)] * 3), width)
    assert max(map(len, text.splitlines())) <= width
    assert "hidden10" in text
