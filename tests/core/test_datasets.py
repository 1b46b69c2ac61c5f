"""Runs over data sets: what is written, read, gone on with and refused."""

import errno
import json
import os
import warnings

import numpy as np
import pytest
import zarr

from trulens_core import (
    Ablation,
    ClassQoI,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    Keep,
    LambdaQoI,
    ModelInputs,
    ResultFileError,
    ResumeError,
    Saliency,
    Segments,
    TrulensError,
    TrulensWarning,
    explain_dataset,
    get_backend,
    get_model_wrapper,
    open_run,
)
from trulens_core.datasets import files, manifest
from trulens_core.results import fingerprints
from trulens_core.testing import small_image_model, small_model
from trulens_core.testing.zoo import ZOO

N = 50
MODEL, _ = small_model()
FIELDS = ("attributions", "quantity", "baseline_quantity", "residual", "n_points", "target")


def records(n=N, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 5))


def method(**options):
    return IntegratedGradients(MODEL, **{"resolution": 5, "qoi": "predicted", **options})


def loop(of, x, size=8):
    """By hand."""
    many = [of.explain(x[i : i + size]) for i in range(0, len(x), size)]
    held = [f for f in FIELDS if getattr(many[0], f) is not None]
    return {f: np.concatenate([getattr(r, f) for r in many]) for f in held}


def same(run, wanted, index=slice(None)):
    found = run[index]
    assert all(np.array_equal(getattr(found, f), x[index]) for f, x in wanted.items())


@pytest.fixture
def out(tmp_path):
    return tmp_path / "run.zarr"


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    """Without waiting for the disk: what is on it after a power cut no test sees."""
    monkeypatch.setattr(files.os, "fsync", lambda _: None)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "completeness fails", TrulensWarning)
        yield


def begun(out, n=20, **options):
    """A run that was stopped after some records, by its data."""

    def stopped():
        for i in range(0, N, 8):
            if i >= n:
                raise KeyboardInterrupt
            yield records()[i : i + 8]

    with pytest.raises(KeyboardInterrupt):
        explain_dataset(method(), stopped(), out, shard=8, **options)


def batches(x=None, size=8):
    x = records() if x is None else x
    return (x[i : i + size] for i in range(0, len(x), size))


# -- what is written and read ------------------------------------------------------------------


@pytest.mark.parametrize("shard", [None, 8, 16, 12, 64, 3])
@pytest.mark.parametrize("prefetch", [0, 2])
def test_a_run_is_the_loop(out, shard, prefetch):
    run = explain_dataset(method(), records(), out, batch_size=8, shard=shard, prefetch=prefetch)
    assert run.complete
    assert run.done == len(run) == N
    same(run, loop(method(), records()))
    run.verify()


def test_batches_of_a_generator_are_the_loop(out):
    run = explain_dataset(method(), batches(), out, shard=12)
    assert run.complete
    same(run, loop(method(), records()))
    assert zarr.open_group(out, mode="r")["attributions"].shape == (N, 5)


def test_batches_of_several_lengths(out):
    x = records()
    parts = [x[:3], x[3:20], x[20:21], x[21:]]
    run = explain_dataset(method(), iter(parts), out, shard=7)
    wanted = np.concatenate([method().attributions(p) for p in parts])
    assert np.array_equal(run[:].attributions, wanted)
    again = explain_dataset(method(), iter(parts), out, shard=7)
    assert again.done == N


def test_zarr_reads_it_alone(out):
    explain_dataset(method(), records(), out, batch_size=8, shard=16)
    group = zarr.open_group(out, mode="r")
    assert np.array_equal(group["attributions"][11:13], method().attributions(records()[11:13]))
    assert group["quantity"].shape == (N,)


def test_slices_lists_and_single_records(out):
    run = explain_dataset(method(), records(), out, batch_size=8, shard=16)
    wanted = loop(method(), records())
    for index in (slice(5, 40), slice(0, N, 7), [3, 49, 3], -1, 17):
        found = run[index].attributions
        assert np.array_equal(found, wanted["attributions"][index].reshape(found.shape))
    with pytest.raises(IndexError, match="record 50 of a run that has 50"):
        run[50]
    with pytest.raises(TypeError, match="chosen by an int"):
        run["a"]


def test_a_record_is_a_result_that_knows_itself(out):
    run = explain_dataset(method(), records(), out, batch_size=8)
    one = run[3]
    assert one.method["name"] == "IntegratedGradients"
    assert one.qoi == "PredictedClassQoI()"
    assert one.replay(MODEL, records()[3:4])
    assert not one.replay(MODEL, records()[4:5])
    assert run[:5].to_frame().shape == (5, 5)


def test_a_baseline_of_the_caller_is_kept_with_the_method(out):
    of = method(baseline=np.linspace(-1, 1, 5))
    run = explain_dataset(of, records(), out, batch_size=8)
    assert run[3].replay(MODEL, records()[3:4])


def test_several_quantities_and_tensors(out):
    both = LambdaQoI(lambda y: [y[:, 0], y[:, 1]])
    of = IntegratedGradients(MODEL, resolution=5, qoi=both)
    run = explain_dataset(of, records(), out, batch_size=8)
    wanted = of.explain(records())
    assert len(run[:].attributions) == 2
    assert np.allclose(run[:].attributions[1], wanted.attributions[1], rtol=1e-12)
    assert run[:].quantity.shape == (N, 2)
    assert [len(m.mean_abs) for m in [run.summary().all]] == [2]


def test_keyword_arguments_and_files(out, tmp_path):
    x = records(10)
    for i, row in enumerate(x):
        np.save(tmp_path / f"{i}.npy", row)
    paths = [tmp_path / f"{i}.npy" for i in range(10)]
    run = explain_dataset(method(), paths, out, loader=np.load, batch_size=4)
    assert list(run.marks("id", [0, 9])) == [str(paths[0]), str(paths[9])]
    assert np.array_equal(run[:].attributions, loop(method(), x, 4)["attributions"])
    inputs = ModelInputs([x])
    other = explain_dataset(method(), inputs, tmp_path / "b.zarr", batch_size=4)
    assert np.array_equal(other[:].attributions, run[:].attributions)


def test_labels_and_ids_of_batches(out):
    y = np.arange(N) % 3
    data = [(records()[i : i + 8], y[i : i + 8]) for i in range(0, N, 8)]
    run = explain_dataset(
        method(),
        data,
        out,
        inputs=lambda b: b[0],
        labels=lambda b: b[1],
        ids=lambda b: [f"r{c}" for c in b[1]],
    )
    assert np.array_equal(run.marks("label"), y)
    assert list(run.marks("id", slice(0, 3))) == ["r0", "r1", "r2"]
    classes = run.summary("label").classes
    assert {c: m.n for c, m in classes.items()} == {0: 17, 1: 17, 2: 16}
    wanted = np.abs(run[:].attributions[y == 1]).mean(0)
    assert np.allclose(classes[1].mean_abs["attributions"], wanted)


def test_a_data_frame_names_the_features(out):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(records(), columns=list("abcde"))
    run = explain_dataset(method(), frame, out, batch_size=8)
    assert np.array_equal(run[:].attributions, loop(method(), records())["attributions"])
    names = {name for name, _ in run.summary().top(5)}
    assert names == set("abcde")
    assert list(run.summary().to_frame().index) == list("abcde")


def test_a_layer_with_places(out):
    model, _ = small_image_model()
    args, _ = ZOO["cnn"].inputs(12)
    of = InternalInfluence(model, "relu2", "predicted", "point")
    run = explain_dataset(of, args[0], out, batch_size=4)
    wanted = of.explain(args[0])
    assert np.allclose(run[:].attributions, wanted.attributions, rtol=1e-12)
    by_unit = wanted.by_channel().attributions
    classes = wanted.target
    cl = int(classes[0])
    best = run.units(cl, k=1)[0]
    mean = by_unit[classes == cl].mean(0)
    assert best.number == np.abs(mean).argmax()
    assert np.isclose(best.influence, mean[best.number])
    top = run.top_records(best.number, k=3)
    assert [r for r, _ in top] == list(np.argsort(-by_unit[:, best.number])[:3])


def test_prototypes_are_the_records_most_like_the_mean(out):
    run = explain_dataset(method(), records(), out, batch_size=8, shard=8)
    a, target = run[:].attributions, run[:].target
    cl = int(target[0])
    own = np.flatnonzero(target == cl)
    mean = a[own].mean(0)
    likeness = a[own] @ mean / np.linalg.norm(a[own], axis=1) / np.linalg.norm(mean)
    found = run.prototypes(cl, k=3)
    assert [p.record for p in found] == list(own[np.argsort(-likeness)[:3]])
    assert np.allclose([p.likeness for p in found], np.sort(likeness)[::-1][:3])


def test_the_summary_is_the_mean_of_all(out):
    run = explain_dataset(method(), records(), out, batch_size=8, shard=8)
    found = run.summary("target")
    assert np.allclose(found.mean_abs, np.abs(run[:].attributions).mean(0))
    assert np.allclose(found.mean, run[:].attributions.mean(0))
    assert np.isclose(found.quantity, run[:].quantity.mean())
    assert sum(m.n for m in found.classes.values()) == N
    assert f"{N} records" in repr(found)
    with pytest.raises(KeyError, match="give labels="):
        run.summary("label")


class OfHuggingFace:
    """What a data set of Hugging Face has of these."""

    column_names = ("x", "y")
    select = None

    def __len__(self):
        return N

    def __getitem__(self, rows):
        return {"x": records()[rows].tolist(), "y": (np.arange(N) % 3)[rows].tolist()}


def test_columns_of_a_data_set(out):
    run = explain_dataset(
        method(),
        OfHuggingFace(),
        out,
        batch_size=8,
        inputs=lambda batch: np.array(batch["x"]),
        labels=lambda batch: batch["y"],
    )
    same(run, loop(method(), records()))
    assert list(run.marks("label", slice(0, 4))) == [0, 1, 2, 0]


# -- less of it is kept ------------------------------------------------------------------------


def test_sums_and_small_types(out):
    model, _ = small_image_model()
    args, _ = ZOO["cnn"].inputs(6)
    of = Saliency(model)
    run = explain_dataset(of, args[0], out, keep=Keep(sum=1, dtype="float16"))
    wanted = of.attributions(args[0]).sum(1).astype("float16")
    assert run[:].attributions.dtype == "float16"
    assert np.array_equal(run[:].attributions, wanted)


def test_the_largest_are_kept_and_the_rest_reads_as_zeros(out):
    run = explain_dataset(method(), records(), out, batch_size=8, keep=Keep(top=2))
    wanted = loop(method(), records())["attributions"]
    found = run[:].attributions
    assert (np.count_nonzero(found, axis=1) == 2).all()
    kept = found != 0
    assert np.array_equal(found[kept], wanted[kept])
    assert (np.abs(wanted).max(1) == np.abs(found).max(1)).all()
    assert run.arrays["attributions"].shape == (N, 2)
    assert np.allclose(run.summary().mean_abs, np.abs(found).mean(0))


def test_what_a_type_cannot_hold_is_an_error(out):
    big = LambdaQoI(lambda y: 1e9 * y[:, 0])
    with pytest.raises(ValueError, match="beyond what float16 has; keep float32"):
        explain_dataset(Saliency(MODEL, qoi=big), records(), out, keep=Keep(dtype="float16"))


@pytest.mark.parametrize("wrong", [{"sum": 0}, {"top": 0}, {"dtype": "int8"}])
def test_wrong_ways_to_keep(wrong):
    with pytest.raises(ValueError):  # noqa: PT011 - three messages
        Keep(**wrong)


def test_sums_over_axes_that_are_not_there(out):
    with pytest.raises(ValueError, match="have 2 axes with the records"):
        explain_dataset(method(), records(), out, keep=Keep(sum=3))


# -- gone on with ------------------------------------------------------------------------------


def test_a_run_goes_on_where_it_stopped(out):
    begun(out)
    half = open_run(out)
    assert not half.complete
    assert 8 <= half.done < N
    with pytest.raises(IndexError, match="record 24 of a run that has 24"):
        half[half.done]
    run = explain_dataset(method(), batches(), out)
    assert run.complete
    same(run, loop(method(), records()))


def test_what_is_there_is_not_computed_again(out):
    explain_dataset(method(), batches(), out, shard=8)
    stamps = {p: p.stat().st_mtime_ns for p in (out / "attributions").glob("c.*")}
    run = explain_dataset(method(), batches(), out)
    assert stamps == {p: p.stat().st_mtime_ns for p in (out / "attributions").glob("c.*")}
    assert run.done == N


def test_ranks_write_one_store(out):
    of, x = method(), records()
    explain_dataset(of, x, out, batch_size=8, shard=8, rank=0, world_size=3)
    assert open_run(out).done == 18
    with pytest.raises(IndexError, match="record 8 is not there yet: 18 of 50 are"):
        open_run(out)[8]
    for rank in (2, 1):
        explain_dataset(of, x, out, batch_size=8, rank=rank, world_size=3)
    run = open_run(out)
    assert run.complete
    same(run, loop(of, x))
    with pytest.raises(ValueError, match="below world_size"):
        explain_dataset(of, x, out, rank=3, world_size=3)


def test_ranks_write_one_store_from_a_stream(out):
    of = method()
    for rank in (0, 1):
        explain_dataset(of, batches(), out, shard=8, rank=rank, world_size=2)
    same(open_run(out), loop(of, records()))


def test_a_torn_line_of_the_manifest_is_not_there(out):
    explain_dataset(method(), records(), out, batch_size=8, shard=8)
    log = out / "manifest" / "0.jsonl"
    log.write_bytes(log.read_bytes()[:-20])
    assert open_run(out).done == 48
    run = explain_dataset(method(), records(), out, batch_size=8)
    assert run.complete
    same(run, loop(method(), records()))


def test_a_changed_line_of_the_manifest_is_refused(out):
    explain_dataset(method(), records(), out, batch_size=8, shard=8)
    log = out / "manifest" / "0.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"records": 8', b'"records": 9', 1))
    with pytest.raises(ResultFileError, match="damaged at line 1"):
        open_run(out)


def test_a_truncated_shard_is_found_and_computed_anew(out):
    explain_dataset(method(), records(), out, batch_size=8, shard=8)
    file = out / "attributions" / "c.2.0"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(
        ResultFileError, match=r"shard 2 of .* is damaged: its file of attributions"
    ):
        open_run(out)
    with pytest.warns(TrulensWarning, match="computed anew"):
        run = explain_dataset(method(), records(), out, batch_size=8)
    same(run, loop(method(), records()))
    file.unlink()
    with pytest.raises(ResultFileError, match="is not there"):
        open_run(out)


def test_changed_numbers_are_found(out):
    run = explain_dataset(method(), records(), out, batch_size=8, shard=8)
    file = out / "attributions" / "c.2.0"
    content = bytearray(file.read_bytes())
    content[40] ^= 255
    file.write_bytes(content)
    with pytest.raises(ResultFileError, match="damaged: attributions cannot be read"):
        run[16]
    with pytest.raises(ResultFileError, match="shard 2 of"):
        run.verify()


def test_one_process_at_a_time(out):
    explain_dataset(method(), records(), out, batch_size=8)
    log = out / "manifest" / "0.jsonl"
    with files.Log(log, log.stat().st_size), pytest.raises(ResumeError, match="another process"):
        explain_dataset(method(), records(), out, batch_size=8)


# -- a full disk -------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [1, 4, 20, 21, 22, 23, 24, 25, 26, 40])
def test_a_full_disk_is_one_error_and_a_run_that_goes_on(out, monkeypatch, at):
    calls = []

    def full(handle):
        calls.append(handle)
        if len(calls) == at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="could not be written: No space left") as caught:
        explain_dataset(method(), records(), out, batch_size=8, shard=8)
    assert caught.value.errno == errno.ENOSPC
    assert "the same call goes on from there" in str(caught.value)
    assert not list(out.glob(".drafts*"))
    monkeypatch.undo()
    run = explain_dataset(method(), records(), out, batch_size=8, shard=8)
    same(run, loop(method(), records()))


# -- failures of single records ----------------------------------------------------------------


class Fragile:
    """A quantity that some records make fail."""

    def __call__(self, y):
        if np.max(y.data[:, 0]) > 0.0:
            raise RuntimeError("too large")
        return y[:, 0]


def test_records_that_fail_are_listed(out):
    of = Saliency(MODEL, qoi=LambdaQoI(Fragile()))
    x = records()
    bad = np.flatnonzero(get_model_wrapper(MODEL)(x)[:, 0] > 0.0)
    run = explain_dataset(of, x, out, batch_size=8, shard=8, max_failures=N)
    numbers = [f.record for f in run.failures]
    assert 0 < len(numbers) < N
    assert numbers == list(bad)
    assert run.failures[0].why == "RuntimeError: too large"
    assert run.complete
    assert np.isnan(run[:].attributions[numbers]).all()
    good = np.setdiff1d(np.arange(N), numbers)
    alone = np.concatenate([of.attributions(x[i : i + 1]) for i in good])
    assert np.allclose(run[good].attributions, alone, rtol=1e-12)
    assert run.summary().all.n == len(good)
    with pytest.raises(TrulensError, match=f"record {numbers[0]} could not be explained"):
        run[numbers[0]]


def test_more_failures_than_may_be_are_an_error(out, tmp_path):
    of = Saliency(MODEL, qoi=LambdaQoI(Fragile()))
    with pytest.raises(TrulensError, match="2 records failed and max_failures is 1"):
        explain_dataset(of, records(), out, batch_size=1, max_failures=1)
    with pytest.raises(RuntimeError, match="too large") as caught:
        explain_dataset(of, records(), tmp_path / "b.zarr", batch_size=8)
    assert any("these were the records" in note for note in caught.value.__notes__)


def test_files_that_cannot_be_read_are_listed(out, tmp_path):
    x = records(10)
    for i, row in enumerate(x):
        np.save(tmp_path / f"{i}.npy", row)
    (tmp_path / "4.npy").write_bytes(b"nothing")
    paths = [tmp_path / f"{i}.npy" for i in range(10)]
    run = explain_dataset(method(), paths, out, loader=np.load, batch_size=2, max_failures=1)
    assert [f.record for f in run.failures] == [4]
    assert np.allclose(run[5].attributions, method().attributions(x[5:6]))
    with pytest.raises(ValueError, match="pickle") as caught:
        explain_dataset(method(), paths, tmp_path / "b", loader=np.load, batch_size=2)
    assert "record 4 of the data" in caught.value.__notes__[0]


def test_a_data_set_of_which_nothing_can_be_explained(out):
    of = Saliency(MODEL, qoi=LambdaQoI(lambda y: 1 / 0))
    with pytest.raises(TrulensError, match="none of the 50 records could be explained; ZeroDiv"):
        explain_dataset(of, records(), out, max_failures=100)


def test_warnings_are_said_once(out):
    of = method(resolution=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        explain_dataset(of, records(), out, batch_size=4)
    assert [w for w in caught if "completeness" in str(w.message)][1:] == []


# -- wrong uses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (lambda: method(resolution=6), r"its doi was LinearDoi\(.*resolution=5\) and is"),
        (lambda: method(qoi="max"), r"its qoi was PredictedClassQoI\(\) and is MaxClassQoI"),
        (lambda: Saliency(MODEL, qoi="predicted"), "the method was IntegratedGradients and is"),
        (
            lambda: IntegratedGradients(small_image_model()[0], resolution=5, qoi="predicted"),
            "the model is another one",
        ),
    ],
)
def test_another_method_is_refused(out, other, said):
    explain_dataset(method(), records(), out, batch_size=8)
    with pytest.raises(ResumeError, match=f"was begun by another run: .*{said}"):
        explain_dataset(other(), records(), out, batch_size=8)


def test_other_baselines_of_one_shape_are_refused(out):
    explain_dataset(method(baseline=np.zeros(5)), records(), out, batch_size=8)
    with pytest.raises(ResumeError, match="with other contents"):
        explain_dataset(method(baseline=np.ones(5)), records(), out, batch_size=8)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (lambda: records(40), "the data is shorter than before, 40 records and not 50"),
        (lambda: records(60), "the data is longer than before, 60 records and not 50"),
        (lambda: records(seed=1), "the records 0 to 7 of the data are not those"),
        (batches, "records was 50 and is None"),
    ],
)
def test_other_data_is_refused(out, data, said):
    explain_dataset(method(), records(), out, batch_size=8)
    size = {} if data is batches else {"batch_size": 8}
    with pytest.raises(ResumeError, match=said):
        explain_dataset(method(), data(), out, **size)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (lambda: batches(records(40)), "the data is shorter than before: it has 40 records"),
        (lambda: batches(np.concatenate([records(), records(9)])), "the data is longer"),
        (lambda: batches(records(seed=1)), "the records 0 to 7 of the data are not those"),
        (lambda: batches(records()[::-1]), "the records 0 to 7 of the data are not those"),
        (lambda: batches(size=4), "or come in other batches"),
    ],
)
def test_another_stream_is_refused(out, data, said):
    explain_dataset(method(), batches(), out, shard=8)
    with pytest.raises(ResumeError, match=said):
        explain_dataset(method(), data(), out)


def test_other_options_are_refused(out):
    explain_dataset(method(), records(), out, batch_size=8)
    with pytest.raises(ResumeError, match="batch_size was 8 and is 16"):
        explain_dataset(method(), records(), out, batch_size=16)
    with pytest.raises(ResumeError, match="keep was"):
        explain_dataset(method(), records(), out, batch_size=8, keep=Keep(top=1))


def test_other_versions_of_packages_are_said(out, monkeypatch):
    explain_dataset(method(), records(), out, batch_size=8)
    versions = fingerprints.versions
    monkeypatch.setattr(fingerprints, "versions", lambda: {**versions(), "numpy": "9.9"})
    with pytest.warns(TrulensWarning, match="numpy was .* and is 9.9"):
        explain_dataset(method(), records(), out, batch_size=8)


def test_a_store_of_another_version_is_refused(out):
    explain_dataset(method(), records(), out, batch_size=8)
    file = out / "zarr.json"
    data = json.loads(file.read_text())
    data["attributes"]["version"] = 2
    file.write_text(json.dumps(data))
    with pytest.raises(ResultFileError, match="is of version 2 of the format, and this is 1"):
        open_run(out)
    data["attributes"]["version"] = 1
    data["attributes"]["run"]["shard"] = 9
    file.write_text(json.dumps(data))
    with pytest.raises(ResultFileError, match="what it says of itself was changed"):
        open_run(out)


def test_folders_that_hold_no_run(out, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no run"):
        open_run(out)
    (tmp_path / "a.txt").write_text("mine")
    with pytest.raises(ResultFileError, match="is there and is no run"):
        explain_dataset(method(), records(), tmp_path)
    zarr.create_group(out)
    with pytest.raises(ResultFileError, match="holds no run of trulens-nn"):
        explain_dataset(method(), records(), out)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"data": "a.txt"}, TypeError, "data is str"),
        ({"data": 5}, TypeError, "data is int"),
        ({"data": [(records(4), 1)]}, ValueError, r"inputs=lambda batch: batch\[0\]"),
        ({"data": batches(), "batch_size": 4}, ValueError, "gives batches of its own"),
        ({"data": records(0)}, ValueError, "the data has no records"),
        ({"data": iter([])}, ValueError, "the data has no records"),
        ({"method": 5}, TypeError, "method is int"),
        ({"method": lambda: 5}, TypeError, "method is int"),
        ({"method": lambda x: x}, TypeError, "method is function; it must be an attribution"),
        ({"method": method(return_grads=True)}, ValueError, "leave return_grads="),
        ({"engine": "spark"}, ValueError, "must be 'local', 'ray'"),
        ({"shard": 0}, ValueError, "shard"),
        ({"labels": lambda _: [0.5] * 32}, ValueError, "labels are"),
        ({"ids": lambda _: [1]}, ValueError, "give one for each"),
    ],
)
def test_what_cannot_be_meant(out, given, error, said):
    parts = {"method": method(), "data": records(), **given}
    with pytest.raises(error, match=said):
        explain_dataset(parts.pop("method"), parts.pop("data"), out, **parts)


def test_a_line_tells_whether_it_is_whole(tmp_path):
    path = tmp_path / "0.jsonl"
    shard = manifest.Shard(3, 8, ((25, "why"),), ((24, 8, "p"),), {"a": manifest.Written(9, "q")})
    path.write_bytes(shard.line() + manifest.line({"end": 32}))
    whole = manifest.read(path)
    assert whole.shards == {3: shard}
    assert whole.end == 32
    content = path.read_bytes()
    for cut in range(len(shard.line()), len(content)):
        path.write_bytes(content[:cut])
        assert manifest.read(path) == ({3: shard}, None, len(shard.line()))


def test_classes_of_the_records_of_a_batch_are_refused(out):
    """Every batch would have taken them for its own."""
    x = np.random.default_rng(0).normal(size=(8, 5))
    method = InputAttribution(small_model()[0], qoi=ClassQoI(np.array([0, 1, 0, 1])))
    with pytest.raises(ValueError, match="4 values, one for each record of a call"):
        explain_dataset(method, x, out, batch_size=4)
    with pytest.raises(ValueError, match="one for each record"):
        explain_dataset(method, iter([x[:4], x[4:]]), out)
    assert not out.exists()
    run = explain_dataset(method, x[:4], out, batch_size=4)
    np.testing.assert_array_equal(run[:].attributions, method.attributions(x[:4]))


@pytest.mark.parametrize("axes", [-2, (1, -1)])
def test_sums_over_the_records_or_twice(out, axes):
    model, x = small_model()
    with pytest.raises(ValueError, match="0 is that of records"):
        explain_dataset(InputAttribution(model, qoi=0), x, out, keep=Keep(sum=axes))


# -- numbers for each record -------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        lambda: method(baseline=records(8, seed=3)),
        lambda: Ablation(MODEL, Segments.of(np.tile(np.arange(5), (8, 1)) // 2), qoi=1),
        lambda: Saliency(MODEL, qoi=LambdaQoI(lambda y: y[:, 0] * get_backend(y).xp.asarray(ROWS))),
    ],
    ids=["baseline", "segments", "a quantity of the caller's"],
)
@pytest.mark.parametrize("stream", [True, False])
def test_rows_for_the_records_of_a_batch_are_refused(out, options, stream):
    """Every batch would have taken them for its own."""
    of = options()
    size = {} if stream else {"batch_size": 8}
    with pytest.raises(ValueError, match="numbers for each record of a batch"):
        explain_dataset(of, batches() if stream else records(), out, **size)
    assert not list(out.glob("attributions/*"))
    run = explain_dataset(of, records()[:8], out, batch_size=8)  # one batch
    assert np.array_equal(run[:].attributions, of.attributions(records()[:8]))


ROWS = np.arange(1.0, 9.0)
Y = np.arange(N) % 3
PAIRS = {"inputs": lambda b: b[0], "y": lambda b: b[1]}


def pairs(y=Y, size=8):
    return [(records()[i : i + size], y[i : i + size]) for i in range(0, N, size)]


def test_the_classes_of_the_data_are_explained(out):
    run = explain_dataset(method(), pairs(), out, shard=16, **PAIRS)
    wanted = [method(qoi=ClassQoI(y)).explain(x) for x, y in pairs()]
    assert np.array_equal(run[:].attributions, np.concatenate([r.attributions for r in wanted]))
    assert np.array_equal(run[:].quantity, np.concatenate([r.quantity for r in wanted]))
    assert np.array_equal(run[:].target, Y)
    some = run[[4, 11, 30]]
    assert some.replay(MODEL, records()[[4, 11, 30]])
    assert not some.replay(MODEL, records()[[4, 11, 30]], qoi=ClassQoI([0, 0, 0]))
    assert some.qoi == "<the class of each record by y=>"
    assert sorted(run.summary("target").classes) == [0, 1, 2]
    again = explain_dataset(method(qoi=0), pairs(), out, **PAIRS)  # which is not used
    assert again.done == N


def test_other_classes_of_the_data_are_refused(out):
    explain_dataset(method(), pairs(), out, shard=16, **PAIRS)
    with pytest.raises(ResumeError, match="the records 0 to 7 of the data are not those"):
        explain_dataset(method(), pairs(1 - Y % 2), out, **PAIRS)
    with pytest.raises(ResumeError, match="its qoi was <the class of each record by y=> and is"):
        explain_dataset(method(), pairs(), out, inputs=PAIRS["inputs"])


@pytest.mark.parametrize(
    ("y", "error", "said"),
    [
        (lambda b: b[1][:2], ValueError, r"the classes of y= are \(2,\) for 8 records"),
        (lambda b: b[1] / 2, ValueError, "the classes of y= are float64; they must be integers"),
        (lambda b: b[1] + 1, IndexError, "class 3"),
    ],
)
def test_classes_of_the_data_that_are_none(out, y, error, said):
    with pytest.raises(error, match=said):
        explain_dataset(method(), pairs(), out, inputs=PAIRS["inputs"], y=y)


def test_a_record_that_fails_takes_no_class_of_another(out):
    """Record by record, each with its own class."""

    def fragile(z):
        if np.max(z.data[:, 0]) > 1.0:
            raise RuntimeError("too large")
        return z * 0.0

    x = records()
    run = explain_dataset(method(baseline=fragile), pairs(), out, max_failures=N, **PAIRS)
    assert [f.record for f in run.failures] == list(np.flatnonzero(x[:, 0] > 1.0))
    good = np.flatnonzero(x[:, 0] <= 1.0)
    wanted = method(qoi=ClassQoI(Y[good])).explain(x[good])
    assert np.allclose(run[good].attributions, wanted.attributions, rtol=1e-12)


def test_files_with_classes_of_their_own(out):
    def loader(i):
        if i == 4:
            raise OSError("not there")
        return records()[i], Y[i]

    options = {"loader": loader, "batch_size": 8, "max_failures": 1}
    run = explain_dataset(method(), list(range(20)), out, **options, **PAIRS)
    good = np.delete(np.arange(20), 4)
    wanted = method(qoi=ClassQoI(Y[good])).explain(records()[good])
    assert np.allclose(run[good].attributions, wanted.attributions, rtol=1e-12)
