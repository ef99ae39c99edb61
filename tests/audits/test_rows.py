"""Rows of an audit: groups, exact repeats, repeated ids, names of rows, kinds of target and of layer."""

import json
import warnings

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

import pidkd
from pidkd.audits.auditing import audit
from pidkd.cli.main import main
from pidkd.errors import InputError, SmallSampleWarning

RNG = np.random.default_rng(0)
N = 90
FOUR = np.repeat(np.arange(N), 4)
MIXED = RNG.permutation(4 * N)
NOISE = {"t": RNG.normal(size=(N, 3)), "s": RNG.normal(size=(N, 2))}
Y = RNG.integers(3, size=N)[FOUR][MIXED]
COPIES = {name: values[FOUR][MIXED] for name, values in NOISE.items()}
NEARLY = {name: values + 1e-3 * RNG.normal(size=values.shape) for name, values in COPIES.items()}
GROUPS = np.array([f"subject {group}" for group in FOUR[MIXED]])
QUICK = {
    "estimator": pidkd.get_estimator("posterior")(n_folds=3, classifier=LinearDiscriminantAnalysis()),
    "shuffles": 1,
}


def audited(t, s, y=Y, **options):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        report = audit({"h": t}, {"h": s}, y, **options)
    texts = [str(w.message) for w in said if issubclass(w.category, SmallSampleWarning)]
    return report, texts


WAYS = {
    "exact repeats": (COPIES, {}),
    "groups": (NEARLY, {"groups": GROUPS}),
    "groups beside exact repeats": (COPIES, {"groups": GROUPS}),
}


@pytest.mark.parametrize("way", WAYS)
def test_noise_in_copies_knows_nothing(way):
    values, options = WAYS[way]
    report, texts = audited(values["t"], values["s"], **QUICK, **options)
    pair = report.pairs[0]
    low, high = pair.result.interval["mi_t"]
    assert low < 0.0 < high
    assert pair.probe_t < 0.55
    assert report.provenance["groups"] == N
    assert any("repeat others exactly" in text for text in texts) == (way == "exact repeats")
    assert any("repeat others exactly" in text for text in pair.result.warnings) == (way == "exact repeats")
    assert f"{N} groups" in report.to_html()


@pytest.mark.parametrize("how", ["one layer of codes", "narrow and wide"])
def test_repeats_are_those_of_all_layers(how):
    other = np.arange(4 * N) % 2 if how == "one layer of codes" else NEARLY["s"]
    report, _ = audited(COPIES["t"], other, **QUICK)
    assert ("groups" in report.provenance) == (how == "one layer of codes")


CODES = {name: np.digitize(values[:, 0], [-0.5, 0.5])[FOUR] for name, values in NOISE.items()}


def test_codes_in_groups_are_resampled_by_group():
    y = np.sort(Y)
    kwargs = {"estimator": "broja", "shuffles": 3, "uncertainty": pidkd.Bootstrap(n=30, bias="shuffle", repeats=2)}
    alone, _ = audited(CODES["t"], CODES["s"], y[np.argsort(MIXED)], **kwargs)
    together, _ = audited(CODES["t"], CODES["s"], y[np.argsort(MIXED)], groups=FOUR, **kwargs)
    one, other = (report.pairs[0].result for report in (alone, together))
    assert one.atoms == other.atoms
    record = {entry["method"]: entry for entry in other.provenance["uncertainty"]}
    assert record["Bootstrap"]["bias"] == "extrapolation"  # a shuffle of rows would part groups
    assert set(record) == {"Bootstrap", "Permutation"}


def test_cells_are_fitted_to_whole_groups():
    quantize = pidkd.Quantizer(n_components=None, method="quantile", n_clusters=2)
    options = {"quantize": quantize, "shuffles": 0, "uncertainty": None}
    report, _ = audited(NEARLY["t"], NEARLY["s"], groups=GROUPS, fit_on=0.5, **options)
    assert report.n_samples == 4 * (N // 2)
    with pytest.raises(InputError, match=r"fit_on.*rows of whole groups, got row 0 without others"):
        audit({"h": NEARLY["t"]}, {"h": NEARLY["s"]}, Y, groups=GROUPS, fit_on=np.arange(50), **options)


def test_samples_of_one_id_are_a_group(tmp_path):
    for name in ("t", "s"):
        np.savez(tmp_path / f"{name}.npz", h=NEARLY[name], ids=GROUPS)
    sources = [{"h": NEARLY[name], "ids": GROUPS} for name in ("t", "s")]
    for files in (False, True):
        paths = [tmp_path / f"{name}.npz" for name in ("t", "s")]
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            report = audit(*(paths if files else sources), Y, **QUICK)
        assert any(f"ids repeat, {N} of {4 * N} are different" in str(w.message) for w in said)
        assert report.provenance["groups"] == N


def test_moments_count_groups():
    target = NOISE["t"][FOUR][MIXED] @ np.ones(3) + RNG.normal(size=N)[FOUR][MIXED]
    alone, together = (audited(NEARLY["t"], NEARLY["s"], target, **kw)[0] for kw in ({}, {"groups": GROUPS}))
    one, other = (report.pairs[0].result for report in (alone, together))
    assert other.n_samples == 4 * N
    widths = [np.ptp(result.interval["unique_t"]) for result in (one, other)]
    assert widths[1] > 1.7 * widths[0]
    assert any("90 independent samples, one for each group" in text for text in other.warnings)
    with pytest.raises(InputError, match=r"groups.*more groups than the \d+ independent columns of y, t and s, got 5"):
        audit({"h": NEARLY["t"]}, {"h": NEARLY["s"]}, target, groups=FOUR[MIXED] % 5)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (GROUPS[:-1], f"one group for each of {4 * N} rows, got {4 * N - 1}"),
        (np.zeros(4 * N, int), "at least two groups"),
        (np.arange(4 * N) / 3, "labels"),
    ],
)
def test_groups_that_are_none(groups, message):
    with pytest.raises(InputError, match=rf"audit\(\.\.\., groups\): .*{message}"):
        audit({"h": NEARLY["t"]}, {"h": NEARLY["s"]}, Y, groups=groups)


# --- kinds


@pytest.mark.parametrize("shape", ["(n,)", "(n, 1)"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("side", [0, 1])
def test_a_column_of_whole_floats_is_told_apart(shape, dtype, side):
    codes = np.arange(4 * N) % 5
    floats = codes.astype(dtype).reshape(-1, 1)[:, 0 if shape == "(n,)" else slice(None)]
    layers = [NEARLY["t"], NEARLY["s"]]
    layers[side] = floats
    message = r"layer 'h'.*holds whole numbers only.*\.astype\(int\); if measurements, name the estimator"
    with pytest.raises(InputError, match=message):
        audit({"h": layers[0]}, {"h": layers[1]}, Y)


def test_measurements_that_are_whole_are_audited_where_the_estimator_is_named():
    report, _ = audited(NEARLY["t"], np.arange(4 * N) % 5 + 0.0, **QUICK)
    assert report.pairs[0].result.n_samples == 4 * N


@pytest.mark.parametrize("shape", [(4 * N, 1), (4 * N, 1, 1)])
def test_a_column_of_integers_is_told_apart(shape):
    with pytest.raises(InputError, match="holds whole numbers only"):
        audit({"h": (np.arange(4 * N) % 5).reshape(shape)}, {"h": NEARLY["s"]}, Y)


def test_a_classifier_that_fails_is_named():
    layers = {"h": np.arange(4 * N) % 3}, {"h": NEARLY["s"]}
    with pytest.raises(InputError, match=r"Posterior\(classifier\): expected a classifier that learns from .*, got "):
        audit(*layers, layers[0]["h"], **QUICK)


AGES = RNG.integers(20, 80, size=4 * N)


@pytest.mark.parametrize("y", [AGES, AGES.astype(np.float32), AGES.reshape(-1, 1)], ids=["int", "float", "column"])
def test_whole_numbers_can_be_a_continuous_target(y):
    report, _ = audited(NEARLY["t"], NEARLY["s"], y, target="continuous")
    assert report.n_classes == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_labels_can_be_floats_where_one_says_so(dtype):
    with pytest.raises(InputError, match=r"audit\(y\).*astype\(int\) or target='discrete'.*target='continuous'"):
        audit({"h": NEARLY["t"]}, {"h": NEARLY["s"]}, Y.astype(dtype))
    report, _ = audited(CODES["t"], CODES["s"], Y.astype(dtype), target="discrete", shuffles=0, uncertainty=None)
    assert report.n_classes == 3
    with pytest.raises(InputError, match=r"target.*one of 'auto', 'discrete', 'continuous', got 'labels'"):
        audit({"h": NEARLY["t"]}, {"h": NEARLY["s"]}, Y, target="labels")


def test_rows_of_frames_in_another_order_are_refused():
    pandas = pytest.importorskip("pandas")
    index = [f"r{i}" for i in range(4 * N)]
    t, y = pandas.DataFrame(NEARLY["t"], index=index), pandas.Series(Y, index=index)
    s = pandas.DataFrame(NEARLY["s"], index=index)
    calls = [
        lambda: audit(t, s[::-1], y),
        lambda: audit({"h": t}, {"h": s[::-1]}, y),
        lambda: audit(t, NEARLY["s"], y[::-1]),
        lambda: audit(t, s, y, groups=y[::-1]),
        lambda: audit({"h": t}, {"h": s}, y, baseline={"h": s[::-1]}),
        lambda: audit({"h": t}, {"h": s}, y, checkpoints={"y": {"h": s[::-1]}}),
        lambda: pidkd.decompose(y, y, y, given=y[::-1]),
        lambda: pidkd.mutual_information(y, y, given=y[::-1]),
        lambda: pidkd.union_information(y, {"y": y, "where": y[::-1]}),
        lambda: pidkd.decompose_lattice(y, {"a": y, "where": y[::-1]}, measure="sx"),
    ]
    for call in calls:
        with pytest.raises(InputError, match="same index in the same order"):
            call()


@pytest.mark.parametrize("name", ["labels", "label", "targets", "target", "y"])
def test_labels_beside_layers_are_compared_by_every_name(name):
    with pytest.raises(InputError, match="the rows may be misaligned"):
        audit({"h": NEARLY["t"], name: Y[::-1]}, {"h": NEARLY["s"]}, Y)


def test_the_command_has_groups_and_target(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savez("t.npz", h=NEARLY["t"])
    np.savez("s.npz", h=NEARLY["s"])
    np.savez("y.npz", targets=AGES, rows=Y)
    (tmp_path / "groups.csv").write_text("\n".join(["groups", *GROUPS]))
    command = ["audit", "--labels", "y.npz", "--teacher", "t.npz", "--student", "s.npz", "--target", "continuous"]
    assert main([*command, "--groups", "groups.csv", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["provenance"]["groups"] == N
    assert data["n_classes"] == 0
    assert main([*command, "--groups", "none.csv"]) == 2
    assert "none.csv" in capsys.readouterr().err
