"""Atoms by label: means of local atoms that add up to the atoms, with intervals that cover."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import pidkd
from pidkd.cli.main import main
from pidkd.errors import InputError
from pidkd.estimators.solvers.posterior.by_label import Half, held_out_means
from pidkd.result import ATOMS

RNG = np.random.default_rng(0)
N = 300
Y = RNG.integers(3, size=N)
T = np.where(RNG.random(N) < 0.8, Y, RNG.integers(3, size=N))
S = np.where(RNG.random(N) < 0.8, Y % 2, RNG.integers(2, size=N))
DOMAIN = np.array(["photo", "sketch"])[RNG.integers(2, size=N)]
LAYERS = {"t": RNG.normal(size=(N, 2)) + T[:, None], "s": RNG.normal(size=(N, 2)) + S[:, None]}
POSTERIOR = pidkd.get_estimator("posterior")(classifier=LogisticRegression(), n_folds=3)


def weighted(result, atom):
    return sum(one.n_samples * one.atoms[atom] for one in result.by) / result.n_samples


@pytest.mark.parametrize("by", [Y, DOMAIN, np.arange(N) == 0], ids=["class", "domain", "one row"])
@pytest.mark.parametrize("estimator", ["broja", "sx", "i_min", "mmi"])
def test_means_add_up_to_the_atoms_of_codes(estimator, by):
    result = pidkd.decompose(Y, T, S, estimator=estimator, by=by)
    assert sum(one.n_samples for one in result.by) == N
    assert {one.label for one in result.by} == set(np.unique(by).astype(str))
    for atom in ATOMS:
        assert weighted(result, atom) == pytest.approx(result.atoms[atom], abs=1e-12)
    left = [one.atoms["unique_t"] for one in result.by]
    assert left == sorted(left, reverse=True)
    assert result.local is None


def test_means_add_up_to_the_atoms_of_classifiers():
    result = pidkd.decompose(Y, LAYERS["t"], LAYERS["s"], estimator=POSTERIOR, by=DOMAIN, keep=("local",))
    for atom in ATOMS:
        assert weighted(result, atom) == pytest.approx(result.atoms[atom], abs=1e-12)
    rows = result.by[0].label == DOMAIN
    assert result.by[0].atoms["unique_s"] == pytest.approx(result.local["unique_s"][rows].mean(), abs=1e-12)
    assert pidkd.PIDResult.from_dict(result.to_dict()).by == result.by
    assert "photo" in str(result)
    assert "sketch" in str(result)
    assert result.to("nats").to("bits").by[0].atoms == pytest.approx(result.by[0].atoms)


def halved(local, labels, groups, n):
    """Pairs of halves of all rows, each group in one of them."""
    codes, pairs = np.unique(labels, return_inverse=True)[1], []
    for _ in range(n):
        first = RNG.permutation(groups.max() + 1)[groups] < (groups.max() + 1) // 2
        pairs.append([Half.of(codes[one], {a: v[one] for a, v in local.items()}, 2) for one in (first, ~first)])
    return pairs


@pytest.mark.parametrize("copies", [1, 4])
def test_errors_of_halves_are_those_of_independent_rows(copies):
    local = {atom: RNG.normal(size=N) for atom in ATOMS}
    labels, groups = np.repeat(DOMAIN, copies), np.repeat(np.arange(N), copies)
    copied = {atom: np.repeat(values, copies) for atom, values in local.items()}
    for one in held_out_means(copied, labels, halved(copied, labels, groups, 400), groups):
        rows = one.label == DOMAIN
        for atom in ATOMS:
            assert one.se[atom] == pytest.approx(local[atom][rows].std(ddof=1) / np.sqrt(rows.sum()), rel=0.2)


def test_a_label_without_two_independent_rows_has_no_error():
    local = {atom: RNG.normal(size=N) for atom in ATOMS}
    for labels, groups in ((np.arange(N) == 0, np.arange(N)), (DOMAIN == "photo", (DOMAIN == "photo").astype(int))):
        (alone,) = (
            one
            for one in held_out_means(local, labels, halved(local, labels, np.arange(N), 5), groups)
            if one.label == "True"
        )
        assert all(np.isnan(value) for value in alone.se.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimator": "i_alpha"}, r"by\): expected an estimator with local atoms .* got 'i_alpha'"),
        ({"given": Y}, r"by\): expected None beside given"),
        ({"by": Y[:-1]}, r"by\): expected equal lengths"),
        ({"by": Y + 0.5}, r"by\): expected labels"),
    ],
)
def test_labels_that_cannot_be_used(options, message):
    with pytest.raises(InputError, match=message):
        pidkd.decompose(Y, T, S, **{"by": Y, **options})


def test_a_table_has_no_rows():
    with pytest.raises(InputError, match=r"by\): expected samples, one row each, got a Pmf"):
        pidkd.decompose(pidkd.Codes(Y, T, S).pmf(), by=Y)


def test_labels_in_another_order_are_refused():
    pandas = pytest.importorskip("pandas")
    index = [f"r{i}" for i in range(N)]
    y, by = pandas.Series(Y, index=index), pandas.Series(DOMAIN, index=index)
    with pytest.raises(InputError, match="same index in the same order"):
        pidkd.decompose(y, T, S, by=by[::-1])


def test_the_command_prints_atoms_by_label(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, values in {"y": Y, "t": T, "s": S}.items():
        np.save(f"{name}.npy", values)
    (tmp_path / "domain.csv").write_text("\n".join(["domain", *DOMAIN]))
    files = ["--y", "y.npy", "--t", "t.npy", "--s", "s.npy"]
    assert main(["decompose", *files, "--estimator", "sx", "--by", "domain.csv"]) == 0
    assert "sketch" in capsys.readouterr().out
    assert main(["decompose", *files, "--by", "none.csv"]) == 2


# --- coverage


def codes(rng, n):
    y = rng.integers(3, size=n)
    t = np.where(rng.random(n) < 0.7, y, rng.integers(3, size=n))
    s = np.where(rng.random(n) < 0.7, y % 2, rng.integers(2, size=n))
    return y, t, s


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["sx", "broja"])
def test_intervals_of_codes_cover(estimator):
    rng = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(range(3), range(3), range(2), indexing="ij"))
    p = np.where(grid[0] == grid[1], 0.7 + 0.1, 0.1) * np.where(grid[0] % 2 == grid[2], 0.7 + 0.15, 0.15) / 3
    local = pidkd.decompose(pidkd.Pmf(p), estimator=estimator, keep=("local",)).local
    truth = {atom: (p * values).sum(axis=(1, 2)) / p.sum(axis=(1, 2)) for atom, values in local.items()}
    inside = {atom: [] for atom in ATOMS}
    for _ in range(200):
        y, t, s = codes(rng, 500)
        for one in pidkd.decompose(y, t, s, estimator=estimator, by=y).by:
            for atom in ATOMS:
                low, high = one.interval[atom]
                inside[atom].append(low <= truth[atom][int(one.label)] <= high)
    for atom, covered in inside.items():
        assert 0.9 <= np.mean(covered) <= 0.98, (atom, np.mean(covered))


def gaussian(rng, n):
    """Posteriors of a binary label from two Gaussian views, beside a domain in which one of them says less."""
    y, domain = rng.integers(2, size=(2, n))
    t, s = (2 * y - 1) * (1.5 - domain) + rng.normal(size=n), (2 * y - 1) + rng.normal(size=n)
    logits = 2 * t * (1.5 - domain), 2 * s, 2 * (t * (1.5 - domain) + s)
    return y, domain, [1 / (1 + np.exp(-one)) for one in logits]


def by_domain(rng, n):
    y, domain, (p_t, p_s, p_ts) = gaussian(rng, n)
    columns = (np.column_stack([1 - p, p]) for p in (p_t, p_s, p_ts))
    return pidkd.decompose(pidkd.Posteriors(y, *columns), by=domain).by


@pytest.mark.slow
def test_intervals_of_posteriors_cover():
    rng = np.random.default_rng(2)
    truth = {one.label: one.atoms for one in by_domain(rng, 200_000)}
    inside = {atom: [] for atom in ATOMS}
    for _ in range(200):
        for one in by_domain(rng, 2000):
            for atom in ATOMS:
                low, high = one.interval[atom]
                inside[atom].append(low <= truth[one.label][atom] <= high)
    for atom, covered in inside.items():
        assert 0.9 <= np.mean(covered) <= 0.98, (atom, np.mean(covered))
