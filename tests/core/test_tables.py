"""Tables as people have them, with columns of strings and categories, masked by methods.

The function that is explained is a pipeline of scikit-learn that encodes its columns itself.
"""

import itertools
import math

import numpy as np
import pandas
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from trulens_core import (
    LIME,
    RISE,
    Ablation,
    Baselines,
    KernelSHAP,
    Marginal,
    ShapleyValues,
    Sobol,
    explain_dataset,
    get_model_wrapper,
    load_result,
)
from trulens_core.errors import DoiError, ResumeError


def function(f):
    return get_model_wrapper(f, backend="function")


@pytest.fixture(scope="module")
def mixed():
    """A table as people have them, and a pipeline of scikit-learn that encodes it itself."""
    random = np.random.default_rng(0)
    jobs = random.choice(["clerk", "cook", "none"], 200)
    table = pandas.DataFrame(
        {
            "age": random.integers(20, 60, 200),
            "wage": random.normal(30, 5, 200),
            "job": jobs,
            "home": pandas.Categorical(random.choice(["own", "rent"], 200)),
            "since": pandas.Timestamp("2020-01-01")
            + pandas.to_timedelta(random.integers(0, 99, 200), "D"),
            "ok": random.random(200) > 0.5,
        }
    )
    encoded = make_column_transformer(
        (OneHotEncoder(), ["job", "home"]),
        (StandardScaler(), ["age", "wage"]),
        ("passthrough", ["ok"]),
    )
    target = (table["age"] > 40) & (jobs != "none") | (table["home"] == "own")
    pipeline = make_pipeline(encoded, RandomForestClassifier(10, random_state=0))
    return table, pipeline.fit(table, target)


def by_definition(f, record, others):
    """Shapley values of a record's columns, whatever they hold: the mean over other rows."""
    columns = list(record.columns)
    q = {}
    for kept in itertools.chain.from_iterable(
        itertools.combinations(columns, n) for n in range(len(columns) + 1)
    ):
        mixed = others.copy()
        for c in kept:
            mixed[c] = record[c].iloc[0]
            mixed[c] = mixed[c].astype(record[c].dtype)
        q[frozenset(kept)] = f(mixed).mean()
    values = np.zeros(len(columns))
    for order in itertools.permutations(range(len(columns))):
        before = frozenset()
        for i in order:
            after = before | {columns[i]}
            values[i] += (q[after] - q[before]) / math.factorial(len(columns))
            before = after
    return values


def test_shapley_values_of_a_table_are_those_of_the_definition(mixed):
    table, pipeline = mixed
    model, x = function(pipeline.predict_proba), table[1:2]
    others = table.iloc[[50, 60, 70]]
    for baseline, rows in ((Marginal(others), others), (table.iloc[9], table.iloc[9:10])):
        found = ShapleyValues(model, baseline=baseline, qoi=1).explain(x)
        wanted = by_definition(lambda t: pipeline.predict_proba(t)[:, 1], x, rows)
        np.testing.assert_allclose(found.attributions.iloc[0], wanted, atol=1e-12)
        assert np.abs(found.residual).max() < 1e-12
    assert list(found.attributions.columns) == list(table.columns)
    assert {s.name for s in found[0].top(6)[0]} == set(table.columns)


def test_columns_keep_their_types(mixed):
    table, pipeline = mixed
    seen = set()

    def f(rows):
        seen.add(tuple(map(str, rows.dtypes)))
        return pipeline.predict_proba(rows)

    for of in (
        Ablation(function(f), baseline=table.iloc[9:10], qoi=1),
        ShapleyValues(function(f), samples=4, baseline=Marginal(table), qoi=1),
        KernelSHAP(function(f), samples=40, baseline=Marginal(table), qoi=1),
        LIME(function(f), samples=30, baseline=Baselines([table.iloc[3], table.iloc[4]]), qoi=1),
    ):
        assert np.isfinite(of.attributions(table[:3]).to_numpy()).all()
    assert seen == {tuple(map(str, table.dtypes))}
    halves = table[:1].assign(age=40.5)
    Ablation(function(f), baseline=halves, qoi=1).attributions(table[:3])
    ages = {types[0] for types in seen}
    assert ages == {"int64", "float64"}  # 40.5 is 40.5


def test_sampled_values_of_a_table_are_near_the_exact_ones(mixed):
    table, pipeline = mixed
    model, x = function(pipeline.predict_proba), table[:3]
    exact = ShapleyValues(model, baseline=Marginal(table[:30]), qoi=1).attributions(x)
    for of in (
        ShapleyValues(model, samples=100, baseline=Marginal(table[:30], every=False), qoi=1),
        KernelSHAP(model, samples=200, baseline=Marginal(table[:30], every=False), qoi=1),
    ):
        found = of.explain(x)
        off = np.abs(np.asarray(found.attributions) - exact.to_numpy())
        assert (off <= 4 * np.asarray(found.standard_error) + 1e-12).all()
        assert np.asarray(found.standard_error).max() < 0.1  # else that says nothing


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m, t: Ablation(m), "have no zero: give baseline= a row"),
        (lambda m, t: Ablation(m, baseline=0.5), "have no zero"),
        (lambda m, t: RISE(m, baseline=t.iloc[0]), "cannot be blended; Ablation"),
        (lambda m, t: Sobol(m, samples=8, baseline=t.iloc[0]), "cannot be blended"),
        (lambda m, t: Ablation(m, baseline=t[t.columns[::-1]][:1]), "give them in this order"),
        (lambda m, t: Ablation(m, baseline=Marginal(t[t.columns[::-1]])), "in this order"),
    ],
)
def test_what_a_table_cannot_be_asked(mixed, make, message):
    table, pipeline = mixed
    with pytest.raises(DoiError, match=message):
        make(function(pipeline.predict_proba), table).explain(table[:2])


@pytest.mark.filterwarnings("ignore:the model, or the quantity, takes the rows")
def test_a_category_that_there_is_not(mixed):
    table, pipeline = mixed
    of = Ablation(function(pipeline.predict_proba), baseline=table[:1].assign(home="tent"))
    with pytest.raises(DoiError, match="column 'home' has no category 'tent'"):
        of.explain(table[:2])


def test_columns_of_numbers_in_another_order_are_refused():
    frame = pandas.DataFrame(np.eye(3), columns=["a", "b", "c"])
    of = Ablation(function(lambda t: t["a"]), baseline=frame[["c", "b", "a"]][:1], qoi=lambda y: y)
    with pytest.raises(DoiError, match=r"give them in this order, as table\[x.columns\]"):
        of.explain(frame)


def test_a_run_over_a_table(mixed, tmp_path):
    """Rows are told apart by all of their columns, and results are kept, saved and shown."""
    table, pipeline = mixed
    of = ShapleyValues(
        function(pipeline.predict_proba), samples=4, baseline=Marginal(table[:50]), qoi=1
    )
    x = table[:10]
    run = explain_dataset(of, x, tmp_path / "run.zarr", batch_size=4)
    wanted = of.explain(x)
    np.testing.assert_array_equal(run[:].attributions, wanted.attributions.to_numpy())
    assert {name for name, _ in run.summary().top(6)} == set(table.columns)
    other = x.assign(job=x["job"].to_numpy()[::-1])
    with pytest.raises(ResumeError, match="the records 0 to 3 of the data are not those"):
        explain_dataset(of, other, tmp_path / "run.zarr", batch_size=4)
    wanted.save(tmp_path / "kept.safetensors")
    kept = load_result(tmp_path / "kept.safetensors")
    np.testing.assert_array_equal(np.asarray(kept.attributions), wanted.attributions.to_numpy())
    assert kept.names["features"] == list(table.columns)
    wanted.to_html(tmp_path / "shown.html")
    assert "since" in (tmp_path / "shown.html").read_text()
    wanted.plot()
