"""Results in files: a round trip, damaged files, replays and differences."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from trulens_core import (
    AttributionResult,
    Cut,
    DoI,
    InputAttribution,
    InternalInfluence,
    LambdaQoI,
    ResultFileError,
    load_result,
)
from trulens_core import __main__ as command
from trulens_core.results.fingerprints import of_bytes
from trulens_core.results.plain import made
from trulens_core.testing import small_model

cases = runpy.run_path(str(Path(__file__).with_name("test_results.py")))
METHODS, MODEL, X, explained = (cases[n] for n in ("METHODS", "MODEL", "X", "explained"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "r.safetensors"


def rewritten(path, change):
    """The file with another header, and the digest that belongs to it."""
    with safe_open(path, framework="numpy") as file:
        arrays = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 - no dict
        metadata = dict(file.metadata())
    header = json.loads(metadata["header"])
    change(header, metadata)
    metadata["header"] = json.dumps(header)
    metadata["digest"] = of_bytes(metadata["header"].encode())
    save_file(arrays, path, metadata)


# -- a round trip --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_what_is_loaded_is_what_was_saved_and_computes_the_same(name, path):
    result = explained(name).named(features=list("abcde"))
    result.save(path, MODEL)
    loaded = load_result(path)
    assert loaded == result
    assert loaded.method == result.method
    replay = loaded.replay(MODEL)
    assert replay.exact, replay
    assert replay.result == result
    assert replay.differs == ()
    loaded.save(path)
    assert load_result(path).fingerprints == loaded.fingerprints


def test_every_shape_and_type(path):
    for attributions in (
        {"a": [np.ones((2, 3), "float16")], "b": {"c": np.zeros((2, 0))}},
        [[np.ones((2, 3), ">f4")] * 2] * 2,
        np.array([[np.nan, np.inf, -0.0]]),
    ):
        result = AttributionResult(attributions, quantity=np.arange(2))
        result.save(path, inputs=False)
        loaded = load_result(path)
        assert str(loaded) == str(result).replace(">f4", "float32")
        assert loaded.inputs is None
    with pytest.raises(ValueError, match="arrays of complex128 cannot be saved"):
        AttributionResult(np.ones((1, 2), complex)).save(path)


def test_a_file_is_written_whole_or_not_at_all(path, monkeypatch):
    result = explained("InputAttribution")
    result.save(path)
    before = path.read_bytes()
    broken = AttributionResult(np.ones((1, 2)), quantity=np.ones(1, complex))
    with pytest.raises(ValueError, match="complex128"):
        broken.save(path)
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        result[0].save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(FileNotFoundError, match=r"folder of .* does not exist"):
        result.save(path / "no" / "r.safetensors")


ONLY = """
import sys
for name in ("torch", "tensorflow", "keras", "jax", "pandas", "matplotlib", "scipy"):
    sys.modules[name] = None
from trulens_core import load_result
r = load_result(sys.argv[1])
print(len(r), r.method["name"], r.inputs is not None)
"""


def test_a_name_of_another_format_is_refused(tmp_path):
    for name in ("x.pickle", "x.pt", "x.safetensors.gz"):
        with pytest.raises(ValueError, match=rf"'{name}' says another format than safetensors"):
            explained("IntegratedGradients").save(tmp_path / name)
    assert not list(tmp_path.iterdir())
    explained("IntegratedGradients").save(tmp_path / "kept")
    assert load_result(tmp_path / "kept") == explained("IntegratedGradients").numpy()


def test_a_file_is_opened_with_numpy_and_safetensors_alone(path):
    explained("InputAttribution").save(path)
    done = subprocess.run(
        [sys.executable, "-c", ONLY, path], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["2", "InputAttribution", "True"], done.stderr


# -- damaged files -------------------------------------------------------------------------------


def test_two_hundred_damaged_files_are_refused(path):
    """One error for each: bytes changed, cut off, added, lost."""
    explained("ExpectedGradients").save(path, MODEL)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    damages = {
        "changed": lambda b, i: b[:i] + bytes([b[i] ^ (1 << rng.integers(8))]) + b[i + 1 :],
        "cut": lambda b, i: b[:i],
        "added": lambda b, i: b[:i] + rng.bytes(3) + b[i:],
        "lost": lambda b, i: b[:i] + b[i + 1 :],
    }
    for damage in damages.values():
        for i in rng.integers(0, len(whole), 50):
            path.write_bytes(damage(whole, int(i)))
            with pytest.raises(ResultFileError):
                load_result(path)
    path.write_bytes(whole)
    assert load_result(path) == explained("ExpectedGradients")


def test_each_kind_of_wrong_file_is_named(path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_result(path)
    path.write_bytes(b"")
    with pytest.raises(ResultFileError, match="no safetensors file, or is damaged or cut short"):
        load_result(path)
    save_file({"a": np.ones(2)}, path, {"format": "pt"})
    with pytest.raises(ResultFileError, match="holds no result of trulens-nn"):
        load_result(path)
    explained("InputAttribution").save(path)
    rewritten(path, lambda header, metadata: metadata.update(version="2"))
    with pytest.raises(ResultFileError, match="of version '2' of the format, and this is 1"):
        load_result(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda h, _: h.pop("fields"),
        lambda h, _: h["fields"].update(quantity={"array": 99}),
        lambda h, _: h["fields"].update(quantity={"what": 1}),
        lambda h, _: h["fields"].update(names={"type": "os.system", "state": {}}),
        lambda h, _: h["fields"].update(
            names={"type": "trulens_core.errors.TrulensError", "state": {}}
        ),
        lambda h, _: h.update(arrays={}),
        lambda h, _: h.update(inputs=3),
    ],
)
def test_a_header_that_was_made_up_is_refused(path, change):
    explained("InputAttribution").save(path)
    rewritten(path, change)
    with pytest.raises(ResultFileError):
        load_result(path)


def test_only_classes_of_ours_are_made_and_nothing_is_called():
    for name in (
        *("os.system", "trulens_core.optional.require", "trulens_core.quantities.Nothing"),
        *("trulens_core.distributions.baselines.np", "trulens_core.models.wrapper.ModelWrapper"),
    ):
        with pytest.raises(ResultFileError, match="the recipe names"):
            made({"type": name, "state": {}}, [])
    deep = []
    for _ in range(60):
        deep = [deep]
    with pytest.raises(ResultFileError, match="nested more than 50 deep"):
        made(deep, [])


# -- replays -------------------------------------------------------------------------------------


def test_a_changed_weight_and_a_changed_input_are_told(path):
    result = explained("InputAttribution")
    result.save(path, MODEL)
    loaded = load_result(path)
    other, _ = small_model()
    name, weight = next(iter(other.weights.items()))
    weight.flat[0] += 0.5
    replay = loaded.replay(other)
    assert not replay
    assert replay.change > 1e-3
    assert replay.differs == (f"1 of {len(other.weights)} weights are others: {name}",)
    assert "not the same" in repr(replay)
    again = loaded.replay(MODEL, X + 0.1)
    assert not again
    assert again.differs == ("the inputs are others",)
    assert loaded.replay(MODEL, X)


class Half(DoI):
    def __call__(self, z):
        return [0.5 * z]


def test_code_of_one_s_own_is_asked_for(path):
    first = LambdaQoI(lambda y: y[:, 0])
    result = InternalInfluence(MODEL, "hidden", first, Half()).explain(X)
    result.save(path)
    loaded = load_result(path)
    with pytest.raises(ValueError, match=r"qoi of this result is code .*<lambda>.* give it as qoi"):
        loaded.replay(MODEL)
    with pytest.raises(ValueError, match=r"doi of this result is code .*Half object.*as doi="):
        loaded.replay(MODEL, qoi=first)
    assert loaded.replay(MODEL, qoi=first, doi=Half()).exact
    at = InputAttribution(MODEL, qoi=0, qoi_cut=Cut("hidden", accessor=lambda v: v)).explain(X)
    with pytest.raises(ValueError, match=r"target of this result is code .*make the method anew"):
        at.replay(MODEL)


def test_what_cannot_be_computed_again_says_so():
    with pytest.raises(ValueError, match="does not know its method"):
        AttributionResult(X).replay(MODEL)
    result = InputAttribution(MODEL).explain(X)
    with pytest.raises(ValueError, match="kept without its inputs; give them as x="):
        AttributionResult(X, method=result.method).replay(MODEL)


# -- the command ---------------------------------------------------------------------------------


def test_two_files_are_compared(path, tmp_path, capsys):
    result = explained("InputAttribution")
    result.save(path, MODEL)
    other, _ = small_model()
    next(iter(other.weights.values())).flat[0] += 1e-3
    moved = InputAttribution(other, qoi="predicted", doi="linear").explain(X)
    moved.save(tmp_path / "b.safetensors", other)
    files = [str(path), str(tmp_path / "b.safetensors")]
    assert command.main(["diff", files[0], files[0]]) == 0
    assert command.main(["diff", *files, "--tolerance", "0.5"]) == 0
    capsys.readouterr()
    assert command.main(["diff", *files]) == 1
    said = capsys.readouterr().out
    assert "weights are others: " in said
    assert "records beyond the tolerance: 0 (" in said
    assert "cosine at least 1.0" in said
    assert "not the same to 0" in said
    AttributionResult(np.ones((1, 2))).save(tmp_path / "c.safetensors")
    assert command.main(["diff", files[0], str(tmp_path / "c.safetensors")]) == 1
    assert "attributions have other shapes" in capsys.readouterr().out
    assert command.main(["diff", files[0], str(tmp_path / "none")]) == 2
    assert "there is no file" in capsys.readouterr().err


def test_a_file_is_shown(path, capsys):
    explained("IntegratedGradients").named(features=list("abcde")).save(path, MODEL)
    assert command.main(["show", str(path), "--records", "1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("IntegratedGradients: from the input to the output, qoi=")
    assert "weights: " in said
    assert "record 0 (score " in said
    assert "and 1 more records" in said
    found = AttributionResult(np.array([[0.5, -2.0]]), target=np.array([1]))
    found.save(path)
    assert command.main(["show", str(path)]) == 0
    assert "record 0 (class 1): feature 1 -2  feature 0 +0.5" in capsys.readouterr().out
    found.named(features=["age", "income"], classes=["no", "yes"]).save(path)
    assert command.main(["show", str(path)]) == 0
    assert "record 0 (class yes): income -2  age +0.5" in capsys.readouterr().out
    path.write_bytes(b"nothing")
    assert command.main(["show", str(path)]) == 2


def test_a_data_frame_keeps_its_numbers(path):
    """Its attributions are a DataFrame, whose numbers a file has and whose columns the names."""
    pandas = pytest.importorskip("pandas")
    x = np.asarray(X, "float32").reshape(len(X), -1)
    rows = [f"r{i}" for i in range(len(x))][::-1]
    table = pandas.DataFrame(x, columns=[f"c{i}" for i in range(x.shape[1])], index=rows)
    result = InputAttribution(MODEL, qoi=0).explain(table)
    expected = InputAttribution(MODEL, qoi=0).attributions(x)
    # as pandas puts together what has the same names
    assert list(result.attributions.index) == rows
    assert list(result[[1, 0]].attributions.index) == [rows[1], rows[0]]
    np.testing.assert_array_equal(result[[1, 0]].attributions.to_numpy(), expected[[1, 0]])
    result.save(path)
    loaded = load_result(path)
    np.testing.assert_array_equal(loaded.attributions, expected)
    assert loaded.names["features"] == list(table.columns)
