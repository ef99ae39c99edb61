"""What README says of speed and accuracy is what the record says from which the docs' page is built."""

import re
from pathlib import Path

from pidkd.benchmarks.record import read_record
from pidkd.benchmarks.reporting.tables import number, power

CHECKOUT = Path(__file__).parents[2]
CELLS = re.compile(r"^\| (.*?) ?\| (.+?) \| (\d.*?) \| (.*?) \|$", re.MULTILINE)
PROBLEMS = {
    "10 classes, 20 codes of teacher and of student": "dense (10,20,20)",
    "10 classes, 50 codes each": "dense (10,50,50)",
    "100 classes, 20 codes each": "dense (100,20,20)",
    "10,000 small tables made to break solvers, all certified": "nasty 10,000",
    "Gaussian: 10 target variables, 100 in each source": "d, with d_Y = 10: 100",
}
SOLVERS = {
    "cone solver CLARABEL": "conic-clarabel-aux",
    "dit, by a cone program": "dit-cone",
    "BROJA_2PID with ECOS": "2pid-ecos",
    "gpid": "gpid-tilde",
}


def test_every_figure_is_that_of_a_row():
    page = (CHECKOUT / "docs/benchmarks.md").read_text()
    _, rows = read_record(CHECKOUT / re.search(r"\{benchmark-record\} (\S+)", page)[1])
    measured = {
        (row.problem, row.estimator): (number(row.cpu), power(max(row.gap or 0.0, row.error or 0.0))) for row in rows
    }
    stated = CELLS.findall((CHECKOUT / "README.md").read_text())
    assert len(stated) > 5
    problem = ""
    for words, solver, *figures in stated:
        problem = PROBLEMS[words] if words else problem
        name = SOLVERS.get(solver) or ("gaussian" if problem.startswith("d,") else "broja")
        assert tuple(figures) == measured[problem, name], (problem, name)
