"""What an audit puts beside the atoms: checkpoints, baseline, chance, probes, likeness, held-out counting, resuming."""

import dataclasses
import functools
import importlib.util
import json
import tracemalloc
import types

import joblib
import numpy as np
import pytest

import pidkd
from pidkd.audits.engines import codes as cells
from pidkd.audits.probes import centred_gram, debiased_cka, linear_probe
from pidkd.errors import AlignmentWarning, InputError, UnknownNameError
from pidkd.runs.output import save_layers

Y = np.arange(600) % 6

audit = functools.partial(pidkd.audit, estimator="broja")


def spread(codes, d=12, seed=0, noise=0.01):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(codes.max() + 1, d)) * 10)[codes] + rng.normal(size=(len(codes), d)) * noise


def clusters(n):
    return pidkd.Quantizer(n_clusters=n)


def timeless(report):
    def still(pair):
        return dataclasses.replace(
            pair,
            result=dataclasses.replace(pair.result, seconds=0),
            history=tuple(map(still, pair.history)),
            baseline=still(pair.baseline) if pair.baseline else None,
        )

    return dataclasses.replace(report, pairs=tuple(map(still, report.pairs)), seconds=0)


# --- stages


def test_trajectory_and_baseline_by_closed_form():
    report = audit(
        {"h": Y}, {"h": Y}, Y, checkpoints={"early": {"h": Y % 2}, "late": {"h": Y % 3}}, baseline={"h": Y // 3}
    )
    pair = report.pairs[0]
    assert [stage.checkpoint for stage in pair.stages] == ["baseline", "early", "late", None]
    left = [stage.result.unique_t for stage in pair.stages]
    assert left == pytest.approx([np.log2(3), np.log2(3), 1.0, 0.0], abs=1e-9)
    assert pair.conditional == pytest.approx(0.0, abs=1e-9)
    assert pidkd.AuditReport.from_dict(json.loads(json.dumps(report.to_dict()))) == report


def test_the_teachers_cells_are_the_same_at_every_checkpoint():
    student = {"h": spread(Y % 3, seed=1)}
    report = audit({"h": spread(Y)}, student, Y, checkpoints={"a": student}, quantize=clusters(6))
    pair = report.pairs[0]
    assert pair.history[0].result.atoms == pair.result.atoms
    assert pair.history[0].result.mi_t == pair.result.mi_t


def test_a_checkpoint_without_a_layer():
    with pytest.raises(UnknownNameError, match=r"checkpoints\['early'\]\): expected the layers of the student"):
        audit({"h": Y}, {"h": Y}, Y, checkpoints={"early": {"g": Y}})


@pytest.mark.parametrize("checkpoints", [[Y], {"": Y}, {"baseline": Y}])
def test_checkpoints_that_are_none(checkpoints):
    with pytest.raises(InputError, match=r"audit\(\.\.\., checkpoints\): expected"):
        audit({"h": Y}, {"h": Y}, Y, checkpoints=checkpoints)


# --- chance


def test_chance_is_what_counting_alone_reads():
    report = audit({"h": spread(Y)}, {"h": spread(Y % 3, seed=1)}, Y, quantize=clusters(6), shuffles=8)
    null = report.pairs[0].result.null
    # Miller and Madow: (classes - 1)(cells - 1) / 2n nats for each source of labels that it knows nothing of.
    expected = 5 * 5 / (2 * 600) / np.log(2)
    assert null["redundant"] + null["unique_t"] == pytest.approx(expected, rel=0.5)
    assert min(null.values()) >= -1e-9


def test_chance_is_the_null_of_a_permutation():
    [pair] = audit({"h": Y}, {"h": Y % 3}, Y, shuffles=20).pairs
    assert pair.result.null == pidkd.decompose(Y, Y, Y % 3, uncertainty=pidkd.Permutation(n=20)).null


def test_shuffled_rows_are_suspected():
    rng = np.random.default_rng(3)
    with pytest.warns(AlignmentWarning, match="the rows may be misaligned"):
        report = audit({"h": rng.normal(size=(600, 5))}, {"h": Y}, Y, estimator="mmi", shuffles=40)
    assert any("misaligned" in note for note in report.notes)


def test_without_shuffles_there_is_no_chance():
    assert audit({"h": Y}, {"h": Y}, Y, shuffles=0).pairs[0].result.null is None


# --- ids and labels beside the layers


def complaint(*arguments, **options):
    with pytest.raises(InputError) as caught:
        audit(*arguments, **options)
    return str(caught.value)


def test_stored_labels_must_be_the_given_ones():
    other = Y.copy()
    other[7] = 5 - other[7]
    assert "others from row 7; the rows may be misaligned" in complaint({"h": Y, "labels": other}, {"h": Y}, Y)
    assert audit({"h": Y, "labels": Y}, {"h": Y, "y": Y}, Y).pairs


def test_ids_must_agree():
    ids = np.arange(600)
    assert "the same ids in another order; sort the rows by id" in complaint(
        {"h": Y, "ids": ids}, {"h": Y, "ids": ids[::-1]}, Y
    )
    assert "others from row 0" in complaint({"h": Y, "ids": ids}, {"h": Y, "ids": ids + 1}, Y)
    assert audit({"h": Y, "ids": ids}, {"h": Y, "ids": ids}, Y).pairs


# --- probes and likeness


def test_a_linear_probe_finds_what_is_linear():
    assert linear_probe(spread(Y), Y, 0) == 1.0
    rng = np.random.default_rng(0)
    assert linear_probe(rng.normal(size=(600, 12)), Y, 0) < 0.4
    assert linear_probe(spread(Y, d=900, noise=1.0), Y, 0) == 1.0
    assert linear_probe(spread(Y)[:6], Y[:6], 0) is None


def test_debiased_cka_is_one_for_rotations_and_nothing_for_strangers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 40))
    rotation = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    k = centred_gram(x, 0)
    assert debiased_cka(k, centred_gram(3 * x @ rotation + 1, 0)) == pytest.approx(1.0, abs=1e-5)
    strangers = [debiased_cka(k, centred_gram(rng.normal(size=(500, 400)), 0)) for _ in range(20)]
    # Without the correction it would be about 0.27 here: n = 500 of 40 and 400 dimensions.
    assert abs(np.mean(strangers)) < 0.01


def test_codes_have_neither_probe_nor_likeness():
    pair = audit({"h": Y}, {"h": spread(Y)}, Y, quantize=clusters(6)).pairs[0]
    assert (pair.probe_t, pair.probe_s, pair.cka) == (None, 1.0, None)


# --- held-out counting


@pytest.mark.parametrize("fit_on", [0.5, np.arange(0, 600, 2)])
def test_cells_are_fitted_on_some_samples_and_counted_on_others(fit_on):
    labels = np.arange(600) // 2 % 6  # both halves of the rows see every class
    layers = {"h": spread(labels)}, {"h": spread(labels % 3, seed=1)}
    report = audit(*layers, labels, quantize=pidkd.Quantizer(n_clusters=3), fit_on=fit_on)
    assert report.n_samples == 300
    assert report.pairs[0].result.provenance["teacher"]["quantizer"]["fitted_on"] == 300
    assert report.provenance["counted_on"] == 300


@pytest.mark.parametrize("fit_on", [0, 1.0, 2, True, "some.npy", [], [-1, 3], [0.5], [600]])
def test_samples_that_cannot_be_fitted_on(fit_on):
    with pytest.raises(InputError):
        audit({"h": Y}, {"h": Y}, Y, fit_on=fit_on)


# --- resuming


@pytest.fixture
def files(tmp_path):
    save_layers(tmp_path / "teacher", {"a": spread(Y), "b": spread(Y % 2, seed=1)})
    save_layers(tmp_path / "student", {"a": spread(Y % 3, seed=2), "b": spread(Y // 3, seed=3)})
    np.save(tmp_path / "y.npy", Y)
    return tmp_path / "teacher", tmp_path / "student", tmp_path / "y.npy"


def test_a_killed_audit_goes_on_where_it_was(files, tmp_path, monkeypatch):
    options = {"quantize": clusters(6), "resume": tmp_path / "finished"}
    whole = audit(*files, "all", quantize=clusters(6))
    calls = []
    real = cells.decompose

    def killed(*arguments, **kwargs):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*arguments, **kwargs)

    monkeypatch.setattr(cells, "decompose", killed)
    counting = counted(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        audit(*files, "all", **options)
    assert counting.n == 4
    report = audit(*files, "all", **options)
    assert (len(calls), counting.n) == (5, 4)  # two of the four pairs were done, and the third is tried again
    assert timeless(report) == timeless(whole)


def counted(monkeypatch):
    """The layers that are quantised, counted."""
    counting = types.SimpleNamespace(n=0)
    real = cells.CodesEngine.quantised

    def quantised(engine, *arguments):
        counting.n += 1
        return real(engine, *arguments)

    monkeypatch.setattr(cells.CodesEngine, "quantised", quantised)
    return counting


def test_what_has_changed_is_done_again(files, tmp_path, monkeypatch):
    options = {"resume": tmp_path / "finished"}
    audit(*files, quantize=clusters(6), **options)
    counting = counted(monkeypatch)
    audit(*files, quantize=clusters(6), **options)
    assert counting.n == 0
    audit(*files, quantize=clusters(5), **options)
    assert counting.n == 4
    values = np.load(files[0] / "a.npy")
    values[0, 0] += 1e-3
    np.save(files[0] / "a.npy", values)
    audit(*files, quantize=clusters(6), **options)
    assert counting.n == 5


def test_damaged_work_is_done_again(files, tmp_path):
    options = {"quantize": clusters(6), "resume": tmp_path / "finished"}
    report = audit(*files, **options)
    for path in (tmp_path / "finished").iterdir():
        path.write_bytes(path.read_bytes()[:50])
    assert timeless(audit(*files, **options)) == timeless(report)


# --- a cluster


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="needs dask.distributed")
def test_a_cluster_gives_the_same_bit_for_bit(files):
    from distributed import Client, LocalCluster

    alone = audit(*files, "all", quantize=clusters(6))
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        spread_out = audit(*files, "all", quantize=clusters(6))
    assert timeless(alone) == timeless(spread_out)


def test_intervals_are_made_by_default_and_say_that_they_are_conditional_on_the_codebook():
    report = audit({"h": spread(Y)}, {"h": spread(Y % 3, seed=1)}, Y, quantize=clusters(6))
    result = report.pairs[0].result
    low, high = result.interval["unique_t"]
    assert low < 1.0 < high  # the bit that the student lacks
    assert [record["method"] for record in result.provenance["uncertainty"]] == ["Bootstrap", "Permutation"]
    assert result.provenance["teacher"]["layer"] == "h"
    assert any("conditional on the codebook" in note for note in report.notes)
    assert pidkd.AuditReport.from_dict(report.to_dict()).notes == report.notes


def test_intervals_can_be_left_out():
    report = audit({"h": Y}, {"h": Y}, Y, uncertainty=None)
    assert report.pairs[0].result.interval is None
    assert not any("conditional" in note for note in report.notes)


def test_large_tables_and_other_estimators_get_intervals_only_when_asked(monkeypatch):
    monkeypatch.setattr("pidkd.audits.engines.codes.MOST_CELLS", 10)
    layers = {"h": Y}, {"h": Y}
    report = audit(*layers, Y)
    assert report.pairs[0].result.interval is None
    assert any("no sampling intervals" in note for note in report.notes)
    assert audit(*layers, Y, estimator="mmi").pairs[0].result.interval is None
    asked = audit(*layers, Y, estimator="mmi", uncertainty=[pidkd.Bootstrap(n=10)])
    assert asked.pairs[0].result.interval is not None


def test_too_few_samples_are_noted_with_the_number_that_would_do():
    rng = np.random.default_rng(0)
    codes = rng.integers(5, size=(2, 600))
    report = audit({"h": codes[0]}, {"h": codes[1]}, Y, uncertainty=None, shuffles=0)
    assert any("samples would do" in note for note in report.notes)


@pytest.mark.parametrize("uncertainty", ["bootstrap", pidkd.Bootstrap, [], 3])
def test_methods_of_uncertainty_that_are_none(uncertainty):
    with pytest.raises(InputError, match=r"audit\(\.\.\., uncertainty\): expected"):
        audit({"h": Y}, {"h": Y}, Y, uncertainty=uncertainty)


def test_sampling_intervals_reach_the_table_and_the_page():
    layers = {"h": spread(Y)}, {"h": spread(Y % 3, seed=1)}
    report = audit(*layers, Y, quantize=clusters(6), uncertainty=pidkd.Bootstrap(n=20), shuffles=2)
    low, high = report.pairs[0].result.interval["unique_t"]
    row = next(report.rows())
    assert (row["unique_t_low"], row["unique_t_high"]) == (low, high)
    assert "sampling interval" in report.to_html()


@pytest.mark.slow
def test_shards_of_ten_times_the_memory_are_audited_within_it(tmp_path):
    rng = np.random.default_rng(0)
    y, limit = rng.integers(10, size=300_000), 2**26
    centres = rng.normal(size=(10, 300)).astype(np.float32)
    for role, noise in (("teacher", 3), ("student", 5)):
        for number in range(10):
            some = y[number * 30_000 : (number + 1) * 30_000]
            shard = centres[some] + noise * rng.standard_normal((len(some), 300), dtype=np.float32)
            save_layers(tmp_path / role / "out", {f"{number:02d}": shard})
    quantizer = pidkd.Quantizer(max_memory=limit)
    audit(spread(Y), spread(Y), Y)  # so that all modules are there already
    tracemalloc.start()
    report = audit(tmp_path / "teacher", tmp_path / "student", y, quantize=quantizer, resume=tmp_path / "done")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(file.stat().st_size for file in tmp_path.glob("*/out/*.npy")) > 10 * limit
    assert peak <= limit
    assert "mini-batch" in report.results["out", "out"].provenance["teacher"]["quantizer"]["out_of_core"]
