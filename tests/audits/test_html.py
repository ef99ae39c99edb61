import dataclasses
import json
import math
import re
import shutil
import subprocess

import numpy as np
import pytest

import pidkd

HOSTILE = "<script>document.title='owned'</script><b>\"'&"
Y = np.arange(240) % 8


def full_report():
    """Everything that a page can show: all pairs, checkpoints, baseline, intervals, null, a warning, a hostile name."""
    codes = {"mod4": Y % 4, "half": Y // 4 % 2}
    report = pidkd.audit({"low": Y % 2, HOSTILE: Y}, codes, Y, "all", estimator="mmi")

    def furnish(pair):
        interval = {name: (value - 0.1, value + 0.1) for name, value in pair.result.atoms.items()}
        null = dict.fromkeys(pair.result.atoms, 0.01)
        result = dataclasses.replace(pair.result, interval=interval, null=null, warnings=("too few <samples>",))
        stages = [dataclasses.replace(pair, checkpoint=name) for name in ("baseline", "epoch 1", "epoch 2")]
        return dataclasses.replace(
            pair, result=result, baseline=stages[0], history=tuple(stages[1:]), probe_t=0.9, probe_s=0.8, cka=0.5
        )

    return dataclasses.replace(report, pairs=tuple(map(furnish, report.pairs)))


@pytest.fixture(scope="module")
def report():
    return full_report()


def test_what_a_file_says_is_escaped(report):
    page = report.to_html(title=HOSTILE)
    assert HOSTILE not in page
    assert "too few &lt;samples&gt;" in page
    assert page.count("<script>") == 1


def test_nothing_is_fetched(report):
    assert re.findall(r"(?:src|href)=\"(?!data:)|url\(|@import|https?://", report.to_html()) == []


def test_the_headline_and_every_number_are_on_the_page(report):
    page = pidkd.audit({"t": Y}, {"s": Y % 4}, Y, estimator="mmi").to_html()
    assert "Most is left to distill from the teacher&#39;s t: 1.00 bits" in page
    for number in ("2.000", "1.000", "3.000"):
        assert f">{number}<" in page


def test_posteriors_are_told_and_are_not_called_uncertified():
    report = pidkd.audit({"t": Y}, {"s": Y % 4}, Y, estimator="mmi")
    bound = pidkd.Certificate(-math.inf, math.inf, "bound", "held out")
    [pair] = report.pairs
    pair = dataclasses.replace(pair, result=dataclasses.replace(pair.result, certificate=bound))
    origin = {**report.provenance, "posteriors": "probes in torch", "folds": 5}
    page = dataclasses.replace(report, pairs=(pair,), provenance=origin).to_html()
    assert "by probes in torch, 5 folds" in page
    assert "Cells" not in page
    assert ">–</td>" in page
    assert 'class="loose"' not in page


def test_parts_without_data_are_left_out():
    page = pidkd.audit({"t": Y}, {"s": Y % 4}, Y, estimator="mmi").to_html()
    assert "<svg" in page
    for part in ("trajectories", "maps", "warnings"):
        assert f'id="{part}"' not in page


def test_a_large_audit_stays_small():
    report = pidkd.audit({"t": Y}, {"s": Y % 4}, Y, estimator="mmi")
    pair = report.pairs[0]
    many = tuple(
        dataclasses.replace(pair, teacher=f"teacher.layer{i}", student=f"student.layer{j}")
        for i in range(64)
        for j in range(64)
    )
    assert len(dataclasses.replace(report, pairs=many).to_html().encode()) < 3e6


PROBE = """<script>
const list = document.getElementById("table"), found = {};
const column = i => [...list.tBodies[0].rows].map(row => row.cells[i].textContent);
found.figures = [...document.querySelectorAll(".figure")].map(figure => {
  const box = figure.getBoundingClientRect();
  return [box.width, box.height, figure.querySelectorAll("rect, path, td").length];
});
list.tHead.rows[0].cells[4].firstElementChild.click(); found.falling = column(4);
list.tHead.rows[0].cells[4].firstElementChild.click(); found.rising = column(4);
list.tHead.rows[0].cells[1].firstElementChild.click(); found.names = column(1);
found.title = document.title; found.overflow = document.documentElement.scrollWidth > innerWidth;
document.body.innerHTML = "";
document.body.textContent = "FOUND" + JSON.stringify(found) + "END";
</script>"""


def browse(path, tmp_path, *options):
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("needs chromium, which was not found")
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    quiet += [
        "--disable-background-networking",
        "--disable-component-update",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    command = [chromium, *quiet, "--enable-logging=stderr", *options, path.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.mark.browser
@pytest.mark.parametrize("width", [1200, 500])
def test_a_browser_draws_and_sorts_it_without_complaint(report, tmp_path, width):
    page = tmp_path / "report.html"
    page.write_text(report.to_html().replace("</body>", PROBE + "</body>"), encoding="utf-8")
    done = browse(page, tmp_path, "--dump-dom", f"--window-size={width},900")
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    found = json.loads(re.search("FOUND(.*)END", done.stdout.replace("&lt;", "<").replace("&gt;", ">"))[1])
    assert len(found["figures"]) == 4 + 4 + 2  # bars, trajectories, heat maps
    assert all(width > 100 and height > 20 and parts > 0 for width, height, parts in found["figures"])
    falling = [float(number) for number in found["falling"]]
    assert falling == sorted(falling, reverse=True)
    assert found["rising"] == sorted(found["rising"], key=float)
    assert found["names"] == sorted(found["names"])
    assert found["title"] == "Distillation audit"
    assert not found["overflow"]
