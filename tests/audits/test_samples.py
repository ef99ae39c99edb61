"""Single samples of an audit, their images and answers, means by class; the leading pair; tables and figures."""

import base64
import dataclasses
import io
import json

import numpy as np
import pytest

import pidkd
from pidkd.audits.notes import warnings_of
from pidkd.audits.samples import answers_of, thumbnail
from pidkd.cli.main import main
from pidkd.display.terminal import to_text
from pidkd.errors import InputError
from pidkd.result import ATOMS

Y = np.arange(120) % 4
RNG = np.random.default_rng(0)


def layer(codes, noise=0.3):
    return RNG.normal(size=(codes.max() + 1, 6))[codes] + noise * RNG.normal(size=(len(codes), 6))


TEACHER = {"h": layer(Y), "logits": 5.0 * np.eye(4)[Y]}
STUDENT = {"h": layer(Y % 2), "predictions": np.where(np.arange(120) < 30, 0, Y)}
IMAGES = RNG.integers(256, size=(120, 3, 20, 30), dtype=np.uint8)
QUICK = {"estimator": pidkd.get_estimator("posterior")(n_folds=3), "shuffles": 0}


@pytest.fixture(scope="module")
def report():
    return pidkd.audit(
        TEACHER, STUDENT, Y, [("h", "h")], images=IMAGES, local=True, baseline={"h": layer(Y % 2)}, **QUICK
    )


# --- means by class


def test_means_by_class_add_up_to_the_atoms(report):
    result, by_class = report.pairs[0].result, report.pairs[0].by_class
    assert sorted(one["label"] for one in by_class) == ["0", "1", "2", "3"]
    assert sum(one["n_samples"] for one in by_class) == 120
    for atom in ATOMS:
        mean = sum(one["n_samples"] * one[atom] for one in by_class) / 120
        assert mean == pytest.approx(result.atoms[atom], abs=1e-12)
    left = [one["unique_t"] for one in by_class]
    assert left == sorted(left, reverse=True)


def test_atoms_by_any_label(tmp_path):
    domain = np.array(["photo", "sketch"])[RNG.integers(2, size=120)]
    report = pidkd.audit(TEACHER, STUDENT, Y, [("h", "h")], by=domain, **QUICK)
    codes = pidkd.audit({"h": Y}, {"h": Y % 2}, Y, by=domain, shuffles=0, uncertainty=None)
    for one in (report, codes):
        pair = one.pairs[0]
        for atom in ATOMS:
            mean = sum(entry["n_samples"] * entry[atom] for entry in pair.by_class) / 120
            assert mean == pytest.approx(pair.result.atoms[atom], abs=1e-12)
        assert "By label" in one.to_html()
        assert [line.split(",")[2] for line in one.by_csv().splitlines()[1:]] == [e["label"] for e in pair.by_class]
        assert pidkd.AuditReport.from_dict(json.loads(json.dumps(one.to_dict()))).pairs[0].by_class == pair.by_class
    assert str(tmp_path / "by.csv") in report.write(tmp_path)
    with pytest.raises(InputError, match=r"audit\(\.\.\., by\): expected equal lengths"):
        pidkd.audit(TEACHER, STUDENT, Y, [("h", "h")], by=domain[:-1], **QUICK)
    with pytest.raises(InputError, match=r"audit\(\.\.\., by\): expected None with a continuous target"):
        pidkd.audit(TEACHER["h"], STUDENT["h"], RNG.normal(size=120), by=domain)


def test_units_and_files_keep_samples_and_classes(report):
    back = pidkd.AuditReport.from_dict(json.loads(json.dumps(report.to_dict())))
    assert back == report
    nats = back.to("nats").pairs[0]
    for one, other in zip(nats.by_class, report.pairs[0].by_class, strict=True):
        assert one["unique_t_se"] == pytest.approx(other["unique_t_se"] * np.log(2))
        assert one["n_samples"] == other["n_samples"]
    assert nats.extremes[0]["image"] == report.pairs[0].extremes[0]["image"]


# --- accuracy and answers


def test_accuracy_is_that_of_the_outputs_beside_the_layers(report):
    pair = report.pairs[0]
    assert pair.accuracy_t == 1.0
    assert pair.accuracy_s == pytest.approx((STUDENT["predictions"] == Y).mean())
    assert pair.baseline.accuracy_s is None
    assert all(one["teacher"] == one["label"] for one in pair.extremes)
    assert all(one["student"] == str(STUDENT["predictions"][one["row"]]) for one in pair.extremes)
    row = list(report.rows())[-1]
    assert (row["accuracy_t"], row["accuracy_s"]) == (pair.accuracy_t, pair.accuracy_s)
    assert "accuracy T" in report.to_html()


def test_answers_of_logits():
    labels = np.array([3, 5, 3, 5])
    assert answers_of(np.eye(6)[labels], labels).tolist() == labels.tolist()  # columns bear the numbers of classes
    assert answers_of(np.eye(2)[[0, 1, 1, 1]], labels).tolist() == [3, 5, 5, 5]
    assert answers_of(np.eye(2)[[0, 1, 1, 1]], np.array(list("abab"))).tolist() == list("abbb")
    assert answers_of(np.zeros((4, 3)), labels) is None
    assert answers_of(np.zeros((4, 2, 2)), labels) is None


def test_without_outputs_the_answers_are_those_of_the_classifiers():
    pair = pidkd.audit({"h": layer(Y, 0.01)}, {"h": layer(Y % 2)}, Y, **QUICK).pairs[0]
    assert (pair.accuracy_t, pair.accuracy_s) == (None, None)
    assert all(one["teacher"] == one["label"] for one in pair.extremes)


# --- images


@pytest.mark.parametrize(
    ("shape", "dtype", "size"),
    [
        ((20, 30), np.uint8, (30, 20)),
        ((3, 20, 30), np.uint8, (30, 20)),
        ((20, 30, 4), np.float32, (30, 20)),
        ((1, 28, 28), np.float64, (28, 28)),
        ((224, 300, 3), np.uint8, (75, 56)),
    ],
)
def test_thumbnails_are_images(shape, dtype, size):
    image = pytest.importorskip("PIL.Image")
    values = (RNG.random(shape) * 255).astype(dtype)
    head, _, data = thumbnail(values, "images").partition(",")
    assert head == "data:image/png;base64"
    shown = image.open(io.BytesIO(base64.b64decode(data)))
    assert shown.size == size
    if shape == (3, 20, 30):
        assert (np.asarray(shown) == np.moveaxis(values, 0, 2)).all()


def test_images_are_on_the_page_and_from_a_file(report, tmp_path, monkeypatch):
    assert report.to_html().count("data:image/png") == 10
    monkeypatch.chdir(tmp_path)
    for name, values in (("t", TEACHER), ("s", STUDENT)):
        np.savez(f"{name}.npz", **values)
    np.save("y.npy", Y)
    np.save("x.npy", IMAGES)
    command = ["audit", "--labels", "y.npy", "--teacher", "t.npz", "--student", "s.npz", "--pair", "h:h"]
    options = ["--estimator", "posterior", "--param", "n_folds=3", "--shuffles", "0", "--images", "x.npy", "-o", "out"]
    assert main([*command, *options]) == 0
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8").count("data:image/png") == 10


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES[:7], "expected 120 images, one for each sample, got shape"),
        (IMAGES.reshape(120, -1), r"expected images of shape .*, got uint8 of shape \(n, 1800\)"),
        (IMAGES.astype(str), "expected images of shape"),
    ],
)
def test_images_that_are_none(images, message):
    with pytest.raises(InputError, match=rf"^audit\(\.\.\., images\): {message}"):
        pidkd.audit(TEACHER, STUDENT, Y, [("h", "h")], images=images, **QUICK)


def test_images_need_atoms_of_single_samples():
    with pytest.raises(InputError, match=r"images\): expected images only with atoms of single samples, got .*'broja'"):
        pidkd.audit({"h": Y}, {"h": Y % 2}, Y, images=IMAGES)


# --- the leading pair, the order of layers, warnings


def test_of_all_pairs_a_teacher_layer_counts_by_its_best_partner():
    y = np.arange(240) % 8
    teacher, student = {"all": y, "low": y % 4}, {"bit": y % 2, "high": y // 4, "most": y % 4}
    report = pidkd.audit(teacher, student, y, "all", shuffles=0, uncertainty=None)
    assert report.leading.teacher == "all"
    assert report.leading.student == "most"
    assert report.headline.startswith(
        "All 3 layers of the student together lack 0.00 bits about the label that the teacher's all holds. "
        "The best single partner is most"
    )
    assert [pair.teacher for pair in report.by_depth()] == ["all"] * 3 + ["low"] * 3
    assert [pair.student for pair in report.by_depth()][:3] == ["bit", "high", "most"]
    page = report.to_html()
    ranks = [page.index(f'data-depth="{k}"') for k in range(6)]
    assert ranks == sorted(ranks)


def test_bare_arrays_bear_the_names_of_their_networks():
    assert set(pidkd.audit(Y, Y % 2, Y, shuffles=0).results) == {("teacher", "student")}


def test_warnings_of_a_kind_are_one_with_the_worst():
    report = pidkd.audit({"a": Y, "b": Y % 2}, {"s": Y % 2}, Y, "all", shuffles=0, uncertainty=None)
    texts = ("9 samples for 3 cells", "12 samples for 70 cells")
    pairs = [
        dataclasses.replace(pair, result=dataclasses.replace(pair.result, warnings=(text, "rows may be misaligned")))
        for pair, text in zip(report.pairs, texts, strict=True)
    ]
    assert warnings_of(dataclasses.replace(report, pairs=tuple(pairs))) == [
        "rows may be misaligned (2 such warnings)",
        "12 samples for 70 cells (the worst of 2 such warnings)",
    ]


# --- tables and figures


def test_a_figure_and_a_latex_table(report):
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot

    _, ax = pyplot.subplots()
    assert report.plot(ax) is ax
    widths = [bar.get_width() for bar in ax.patches]
    assert widths == pytest.approx([max(0.0, value) for value in report.pairs[0].result.atoms.values()])
    pyplot.close("all")
    lines = report.to_latex(digits=2).splitlines()
    assert len([line for line in lines if line.startswith("h & h & ")]) == 2  # the baseline and the student
    assert f"${report.pairs[0].result.unique_t:.2f}$" in lines[-3]


def test_a_narrow_terminal_keeps_the_names_of_layers():
    report = pidkd.audit({"layer.one": Y}, {"layer.two": Y % 2}, Y, shuffles=0, uncertainty=None)
    for width in (40, 70, 100):
        text = to_text(report.table(), width)
        assert "layer.one" in text
        assert "layer.two" in text
        assert all(len(line) <= width for line in text.splitlines())
