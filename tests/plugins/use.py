"""Uses each of ``their_parts`` as its user would, in a new folder; the argument is where the pages' tables are made."""

import sys
import warnings
from importlib.util import find_spec

import numpy as np
import pytest

import pidkd
from pidkd.benchmarks.contract import check_family, check_peer
from pidkd.benchmarks.peers import PEERS, list_peers
from pidkd.benchmarks.problems import FAMILIES, list_families
from pidkd.benchmarks.run import run_benchmark
from pidkd.display.listing import estimator_rows
from pidkd.distill import Recipe, build_model, get_method, list_data, list_methods, list_models, load_data, train
from pidkd.errors import InputError, PidkdWarning
from pidkd.files.format import FORMATS, get_format
from pidkd.files.reading import read_array
from pidkd.testing import check_estimator, check_format, check_parameters


def are_listed() -> None:
    assert {"shared_nothing", "signs"} <= set(pidkd.list_estimators())
    assert {"shared_nothing", "signs"} <= {row["name"] for row in estimator_rows("pid")}
    assert "half_task" in list_methods()
    assert "stripes" in list_data()
    assert "linear" in list_models()
    assert "text" in FORMATS.names()
    assert "other-nothing" in list_peers()
    assert "copies" in list_families()


def keep_their_contracts() -> None:
    for name in ("shared_nothing", "signs"):
        check_estimator(pidkd.get_estimator(name)())
    check_parameters(get_method("half_task"))
    for value in (0, 2.5, "many", None):
        with pytest.raises(InputError, match="data 'stripes': n: expected a whole number from 4 to 1,000"):
            load_data("stripes", n=value)
        with pytest.raises(InputError, match="model 'linear': units: expected a whole number from 1 to 100"):
            build_model("linear", (4, 4, 1), 2, units=value)
    with pytest.raises(InputError, match="data 'stripes': expected an option, one of n, got 'no_such_option'"):
        load_data("stripes", no_such_option=1)
    check_format(get_format("text"))
    check_family(FAMILIES.get("copies"))
    check_peer(PEERS.get("other_mmi"), pidkd.Pmf(np.full((2, 2, 2), 1 / 8)))


def are_read_decomposed_and_audited() -> None:
    pmf = pidkd.Pmf(np.full((2, 2, 2), 1 / 8))
    assert pidkd.decompose(pmf, estimator="shared_nothing", rounds=2).redundant == 0.0
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=200)
    t, s = (y[:, None] + rng.normal(size=(200, 2)) for _ in range(2))
    np.savetxt("t.numbers", t)
    np.savetxt("s.numbers", s)
    assert np.allclose(read_array("t.numbers", ["t"]), t)
    for estimator in ("signs", "shared_nothing"):
        report = pidkd.audit("t.numbers", "s.numbers", y, estimator=estimator, uncertainty=None)
        assert report.pairs[0].result.method == estimator


def are_trained() -> None:
    data, _ = load_data("stripes", n=20)
    network = build_model("linear", data.shape, data.n_classes, units=2)
    run = train(None, network, data, method="half_task", recipe=Recipe(epochs=1, batch_size=10))
    assert len(run.history) == 1


def meet_in_a_benchmark() -> None:
    """The family finds the estimator and the peer by what they solve."""
    rows = run_benchmark("copies", peers=True, sizes="tiny", repeats=1).rows
    assert {row.estimator for row in rows} == {"shared_nothing", "other-nothing"}
    assert all(row.status == "solved" for row in rows), rows


def are_documented(pages: str) -> None:
    if find_spec("sphinx") is None:
        return
    sys.path.insert(0, pages)
    import estimator_pages
    import method_pages
    import registry_pages

    lines = [*estimator_pages.comparison("pid"), *method_pages.comparison(), *registry_pages.formats()]
    lines += [*registry_pages.functions(registry_pages.DATA), *registry_pages.functions(registry_pages.MODELS)]
    lines += [*registry_pages.problems(), *registry_pages.peers()]
    tables = "\n".join(lines)
    for text in (
        "shared_nothing",
        "signs",
        "half_task",
        "stripes",
        "linear",
        ".numbers",
        "other-",
        "Copies of one bit.",
    ):
        assert text in tables
    assert "`n`: a whole number from 4 to 1,000 (`40`)" in tables


if __name__ == "__main__":
    warnings.simplefilter("ignore", PidkdWarning)
    are_listed()
    keep_their_contracts()
    are_read_decomposed_and_audited()
    are_trained()
    meet_in_a_benchmark()
    are_documented(sys.argv[1])
