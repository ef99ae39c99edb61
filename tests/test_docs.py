"""The code that README and documentation show, run as a reader would."""

import doctest
import re
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(path for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")] if "_build" not in path.parts)
FENCE = re.compile(r"^```(python|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES_WITH_CODE = [path for path in PAGES if FENCE.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", PAGES_WITH_CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
@pytest.mark.filterwarnings("ignore::pidkd.errors.TrainingWarning")
def test_code_on_a_page_runs_and_shows_what_it_says(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", page)  # a dataclass looks its module up
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL)
    for kind, text in FENCE.findall(path.read_text(encoding="utf-8")):
        if kind == "python":
            exec(compile(text, str(path), "exec"), page.__dict__)
        else:
            example = doctest.DocTestParser().get_doctest(text, page.__dict__, path.name, str(path), 0)
            runner.run(example, clear_globs=False)
            page.__dict__.update(example.globs)
    assert runner.summarize().failed == 0
