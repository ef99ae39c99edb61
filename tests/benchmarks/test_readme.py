"""What README says of speed and accuracy is what the record says from which the docs' page is built."""

import re
from pathlib import Path

from pidkd.benchmarks.record import read_record
from pidkd.benchmarks.reporting.tables import number, power

CHECKOUT = Path(__file__).parents[2]
CELLS = re.compile(r"^\| (.+?) \| `(.+?)` \| (.+?) \| (.*?) \|$", re.MULTILINE)


def test_every_figure_is_that_of_a_row():
    page = (CHECKOUT / "docs/benchmarks.md").read_text()
    _, rows = read_record(CHECKOUT / re.search(r"\{benchmark-record\} (\S+)", page)[1])
    measured = {
        (row.problem, row.estimator): (number(row.cpu), power(max(row.gap or 0.0, row.error or 0.0))) for row in rows
    }
    stated = CELLS.findall((CHECKOUT / "README.md").read_text())
    assert len(stated) > 5
    for problem, estimator, *figures in stated:
        assert tuple(figures) == measured[problem, estimator], (problem, estimator)
