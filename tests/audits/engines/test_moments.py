"""Audits of a continuous target."""

import json

import numpy as np
import pytest

import pidkd
from pidkd.errors import InputError
from pidkd.result import ATOMS


def system(n=2000, seed=0):
    """A target of two columns, a teacher that sees both and a student that sees the first, noisily."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(n, 2))
    t = y + 0.5 * rng.normal(size=(n, 2))
    s = y[:, :1] + 0.5 * rng.normal(size=(n, 1))
    return y, t, s


PLAIN = pidkd.get_estimator("gaussian")(debias="none")


def assert_same(found, known, within=1e-9):
    for name in ATOMS:
        assert found.atoms[name] == pytest.approx(known.atoms[name], abs=within), name


def test_atoms_are_those_of_the_samples():
    y, t, s = system()
    plain = pidkd.audit({"h": t}, {"h": s}, y, estimator=PLAIN).results["h", "h"]
    assert_same(plain, pidkd.decompose(y, t, s, estimator=PLAIN))
    report = pidkd.audit({"h": t}, {"h": s}, y)
    result = report.results["h", "h"]
    # T tells half_log(1 + 4) bits of each column, S of the first: with independent noise S adds a little to T.
    assert result.unique_t == pytest.approx(0.5 * np.log2(5), abs=0.1)
    assert result.interval["unique_t"][0] < 0.5 * np.log2(5) < result.interval["unique_t"][1]
    assert (report.n_classes, report.provenance["estimator"]) == (0, "gaussian")


def test_shards_stages_and_collinear_columns(tmp_path):
    y, t, s = system()
    wide = np.concatenate([t, t[:, :1] + t[:, 1:], np.zeros((len(t), 1))], axis=1).astype(np.float32)
    for number, rows in enumerate(np.array_split(np.arange(len(y)), 3)):
        for folder, values in (("teacher", wide), ("student", s)):
            (tmp_path / folder).mkdir(exist_ok=True)
            np.savez(tmp_path / folder / f"shard-{number}.npz", h=values[rows])
    np.save(tmp_path / "y.npy", y)
    report = pidkd.audit(
        tmp_path / "teacher",
        tmp_path / "student",
        tmp_path / "y.npy",
        baseline={"h": s + 1.0},
        estimator=PLAIN,
        resume=tmp_path / "finished",
        n_jobs=2,
    )
    assert_same(report.results["h", "h"], pidkd.decompose(y, t, s, estimator=PLAIN), within=1e-6)
    assert_same(report.pairs[0].baseline.result, report.results["h", "h"], within=1e-9)  # means tell nothing
    files = (tmp_path / name for name in ("teacher", "student", "y.npy"))
    again = pidkd.audit(*files, estimator=PLAIN, resume=tmp_path / "finished")
    assert again.results["h", "h"].atoms == report.results["h", "h"].atoms


def test_a_target_in_a_table(tmp_path):
    y, t, s = system(300)
    (tmp_path / "y.csv").write_text("\n".join(map(repr, y[:, 0].tolist())))
    report = pidkd.audit({"h": t}, {"h": s}, tmp_path / "y.csv", estimator=PLAIN)
    assert (
        report.results["h", "h"].atoms
        == pidkd.audit({"h": t}, {"h": s}, y[:, 0], estimator=PLAIN).results["h", "h"].atoms
    )


def test_the_report_speaks_of_no_cells_and_comes_back():
    y, t, s = system(300)
    report = pidkd.audit({"h": t}, {"h": s}, y[:, 0])
    assert "continuous target" in report.notes[0]
    assert "H(Y)" not in report.to_html()
    assert "of the target" in str(report)
    back = pidkd.AuditReport.from_dict(json.loads(json.dumps(report.to_dict(), allow_nan=False)))
    assert back.results["h", "h"].atoms == report.results["h", "h"].atoms
    assert back.to("nats").notes[0] == report.notes[0]
    assert next(back.rows())["ceiling_t"] == np.inf


def test_what_is_determined_is_infinite_and_can_be_printed():
    _, t, _ = system(300)
    report = pidkd.audit({"h": t}, {"h": t[:, :1]}, t.sum(axis=1))
    assert report.results["h", "h"].mi == np.inf
    assert "inf" in str(report)
    assert "inf" in report.to_html()


def test_wide_layers_say_that_nothing_is_corrected(monkeypatch):
    monkeypatch.setattr("pidkd.audits.engines.moments.WIDEST", 3)
    y, t, s = system(300)
    result = pidkd.audit({"h": t}, {"h": s}, y).results["h", "h"]
    assert result.interval is None
    assert any("without correction" in text for text in result.warnings)
    named = pidkd.get_estimator("gaussian")(n_draws=20)
    assert pidkd.audit({"h": t}, {"h": s}, y, estimator=named).results["h", "h"].interval is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantize": pidkd.Quantizer()}, r"audit\(\.\.\., quantize\)"),
        ({"fit_on": 0.5}, r"audit\(\.\.\., fit_on\)"),
        ({"uncertainty": pidkd.Bootstrap()}, r"audit\(\.\.\., uncertainty\)"),
        ({"shuffles": 3}, r"audit\(\.\.\., shuffles\): expected none where the target is continuous.*got 3"),
        ({"local": True}, r"audit\(\.\.\., local\): expected atoms of single samples, got estimator 'gaussian'"),
        ({"device": "cuda"}, r"audit\(\.\.\., device\)"),
        ({"estimator": "kmeans"}, "got 'kmeans', which decomposes Activations with a discrete target"),
        (
            {"estimator": "broja"},
            "an estimator of Gaussian variables, or of activations .*, for y is continuous.*fit: gaussian",
        ),
    ],
)
def test_options_of_labels_are_refused(options, message):
    y, t, s = system(100)
    with pytest.raises(InputError, match=message):
        pidkd.audit({"h": t}, {"h": s}, y, **options)


def test_data_that_cannot_be_used_are_refused():
    y, t, s = system(100)
    with pytest.raises(InputError, match="if these are labels"):
        pidkd.audit({"h": t}, {"h": s}, np.arange(100) % 3 + 0.0)  # labels as floats
    with pytest.raises(InputError, match="activations, as the target is continuous, got codes"):
        pidkd.audit({"h": np.arange(100) % 3}, {"h": s}, y)
    with pytest.raises(InputError, match="whole number >"):
        pidkd.audit({"h": np.random.default_rng(0).normal(size=(100, 120))}, {"h": s}, y)
    with pytest.raises(InputError, match="finite"):
        pidkd.audit({"h": t}, {"h": s}, np.where(np.arange(100) == 3, np.nan, y[:, 0]))
