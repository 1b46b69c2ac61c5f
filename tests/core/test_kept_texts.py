"""Results of language models in files, as tables, beside one another."""

import dataclasses
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
    GenerationResult,
    PatchingResult,
    ResultFileError,
    SegmentsResult,
    load_result,
)
from trulens_core import __main__ as command
from trulens_core.results.fingerprints import of_bytes
from trulens_core.testing import small_model

made = runpy.run_path(str(Path(__file__).with_name("text_results.py")))
KINDS = made["KINDS"]
ALL = pytest.mark.parametrize("name", KINDS)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "r.safetensors"


def rewritten(path, change):
    """The file with another header, and the digest that belongs to it."""
    with safe_open(path, framework="numpy") as file:
        arrays = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 - no dict
        metadata = dict(file.metadata())
    header = json.loads(metadata["header"])
    change(header)
    metadata["header"] = json.dumps(header)
    metadata["digest"] = of_bytes(metadata["header"].encode())
    save_file(arrays, path, metadata)


def moved(result, by=1e-3):
    """The same with one number that is another."""
    values = result.attributions.copy()
    values.reshape(-1)[0] += by
    return dataclasses.replace(result, attributions=values)


# -- files ---------------------------------------------------------------------------------------


@ALL
def test_what_is_loaded_is_what_was_saved(name, path):
    result = KINDS[name]
    result.save(path)
    found = load_result(path)
    assert type(found) is type(result)
    assert found == result
    assert hash(found) == hash(result)
    assert type(result).load(path) == result
    assert (str(found), repr(found)) == (str(result), repr(result))
    assert found._repr_html_() == result._repr_html_()
    for field in dataclasses.fields(result):
        kept, own = (getattr(r, field.name) for r in (found, result))
        if isinstance(own, np.ndarray):
            assert kept.dtype == own.dtype
    assert found.fingerprints["versions"]["numpy"] == np.__version__
    found.save(path)
    assert load_result(path).fingerprints == found.fingerprints
    assert found != moved(result)
    assert found != AttributionResult(np.ones((1, 2)))
    assert found.numpy() == result


def test_turns_of_a_chat_are_kept(path):
    KINDS["generation"].save(path)
    (turn,) = load_result(path).inputs.turns
    assert (turn.role, turn.start, turn.end) == ("user", 0, 10)


def test_another_kind_is_told(path):
    KINDS["segments"].save(path)
    with pytest.raises(ResultFileError, match="holds a SegmentsResult and no GenerationResult"):
        GenerationResult.load(path)


ONLY = """
import sys
for name in ("torch", "tensorflow", "keras", "jax", "pandas", "matplotlib", "scipy", "transformers",
             "tokenizers", "rich"):
    sys.modules[name] = None
from trulens_core import load_result
for path in sys.argv[1:]:
    print(type(load_result(path)).__name__)
"""


def test_files_are_opened_with_numpy_and_safetensors_alone(tmp_path):
    paths = [tmp_path / f"{i}.safetensors" for i in range(len(KINDS))]
    for result, path in zip(KINDS.values(), paths, strict=True):
        result.save(path)
    done = subprocess.run(
        [sys.executable, "-c", ONLY, *paths], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == [type(r).__name__ for r in KINDS.values()], done.stderr


@ALL
def test_damaged_files_are_refused(name, path):
    """One error for each: bytes changed, cut off, added, lost."""
    KINDS[name].save(path)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    damages = (
        lambda b, i: b[:i] + bytes([b[i] ^ (1 << rng.integers(8))]) + b[i + 1 :],
        lambda b, i: b[:i],
        lambda b, i: b[:i] + rng.bytes(3) + b[i:],
        lambda b, i: b[:i] + b[i + 1 :],
    )
    for damage in damages:
        for i in rng.integers(0, len(whole), 10):
            path.write_bytes(damage(whole, int(i)))
            with pytest.raises(ResultFileError):
                load_result(path)


FORGED = {
    "another kind": lambda h: h.update(kind="spell"),
    "no fields": lambda h: h.update(fields={}),
    "a class of another's": lambda h: h["fields"].update(attributions={"class": "os.path"}),
    "no array": lambda h: h["fields"].update(attributions="many"),
    "an array that is not there": lambda h: h["fields"].update(attributions={"array": 99}),
    "no tokens": lambda h: h["fields"].update(
        {k: None for k in ("inputs", "prompt", "clean") if k in h["fields"]}
    ),
    "a text cut short": lambda h: next(
        v for v in h["fields"].values() if isinstance(v, dict) and "type" in v
    )["state"].update(text=""),
}


@ALL
@pytest.mark.parametrize("forged", FORGED)
def test_a_header_that_fits_nothing_is_refused(name, forged, path):
    KINDS[name].save(path)
    rewritten(path, FORGED[forged])
    with pytest.raises(ResultFileError):
        load_result(path)


@ALL
def test_numbers_of_another_shape_are_refused(name, path):
    few = dataclasses.replace(KINDS[name], attributions=np.ones((1, 7)))
    few.save(path)
    with pytest.raises(ResultFileError, match="has the shape"):
        load_result(path)


def test_a_file_is_written_whole_or_not_at_all(path):
    with pytest.raises(FileNotFoundError, match=r"folder of .* does not exist"):
        KINDS["patching"].save(path / "no" / "r.safetensors")
    with pytest.raises(FileNotFoundError, match="no folder"):
        KINDS["patching"].to_html(path / "no" / "r.html")


# -- the command ---------------------------------------------------------------------------------


@ALL
def test_show_tells_what_it_is(name, path, capsys):
    KINDS[name].save(path, small_model()[0])
    assert command.main(["show", str(path), "--records", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == str(KINDS[name]).splitlines()[:4]
    assert any(line.startswith("versions: trulens-nn") for line in lines)
    assert lines[-1].startswith("weights: ")
    assert lines[-1].endswith("with fingerprints")
    assert len(lines) == 6 + (name == "generation")


@ALL
def test_diff_finds_what_moved(name, tmp_path, capsys):
    a, b = (str(tmp_path / f"{n}.safetensors") for n in "ab")
    KINDS[name].save(a)
    KINDS[name].save(b)
    assert command.main(["diff", a, b]) == 0
    moved(KINDS[name]).save(b)
    assert command.main(["diff", a, b]) == 1
    said = capsys.readouterr().out
    assert "records beyond the tolerance: 0 (" in said
    assert command.main(["diff", a, b, "--tolerance", "0.5"]) == 0


def test_diff_of_weights_texts_and_kinds(tmp_path, capsys):
    a, b = (str(tmp_path / f"{n}.safetensors") for n in "ab")
    result, (model, _) = KINDS["patching"], small_model()
    result.save(a, model)
    swapped = dataclasses.replace(result, clean=result.corrupted, asked="z", path=3)
    swapped.save(b)
    assert command.main(["diff", a, b]) == 0  # the numbers are the same
    said = capsys.readouterr().out
    assert "the inputs are others" in said
    assert "x over y, layers, 10 points along embeddings -> " in said
    KINDS["segments"].save(b)
    assert command.main(["diff", a, b]) == 1
    assert "a PatchingResult and a SegmentsResult are not compared" in capsys.readouterr().out


# -- tables --------------------------------------------------------------------------------------


@ALL
def test_a_frame_has_a_row_for_each_number(name):
    pytest.importorskip("pandas")
    result = KINDS[name]
    frame = result.to_frame()
    np.testing.assert_array_equal(frame["attribution"], result.attributions.reshape(-1))
    assert frame["attribution"].dtype == result.attributions.dtype
    told = {
        "generation": ["target", "of", "source", "text", "written", "attribution"],
        "segments": ["segment", "start", "end", "attribution", "standard_error"],
        "segments, each": ["target", "segment", "start", "end", "attribution"],
        "patching": ["layer", "position", "clean", "corrupted", "attribution"],
        "patching, heads": ["layer", "position", "clean", "corrupted", "head", "attribution"],
    }
    assert list(frame) == told[name]


def test_frames_name_what_they_are_of():
    pytest.importorskip("pandas")
    frame = KINDS["generation"].to_frame()
    own = frame[(frame["of"] == " w") & (frame["text"] == "<rains>")]
    assert own["attribution"].tolist() == [KINDS["generation"].attributions[1, 1]]
    assert frame["written"].sum() == 9
    frame = KINDS["patching, heads"].to_frame()
    own = frame[(frame["layer"] == "body.h.1") & (frame["clean"] == "<cat>") & (frame["head"] == 2)]
    assert own["attribution"].item() == KINDS["patching, heads"].attributions[1, 1, 2]
    assert own["corrupted"].item() == "dog"


@ALL
def test_they_are_attributions_too(name):
    result = KINDS[name]
    found = result.as_attributions()
    assert found.attributions.reshape(result.attributions.shape).tolist() == (
        result.attributions.tolist()
    )
    assert found.to_html().count("<article") == len(found)
    assert found.top(1)[0][0].value == max(found.attributions[0].reshape(-1), key=abs)


# -- by text, and two results --------------------------------------------------------------------


def test_patching_by_text():
    result, heads = KINDS["patching"], KINDS["patching, heads"]
    np.testing.assert_array_equal(result["cat"], result.attributions[:, 1])
    np.testing.assert_array_equal(result["cat> sat"], result.attributions[:, 1:3].sum(1))
    assert result["h.1", "cat"] == result.attributions[1, 1]
    assert result["body.h.0", "the"] == result.attributions[0, 0]
    np.testing.assert_array_equal(heads["h.1", "cat"], heads.attributions[1, 1])
    assert heads["cat"].shape == (2, 3)
    for absent in ("cow", 3, ("h.2", "cat"), ("1.h", "cat"), ""):
        with pytest.raises(KeyError):
            result[absent]


@pytest.mark.parametrize("name", [n for n in KINDS if n != "generation"])
def test_two_results(name):
    result = KINDS[name]
    twice = dataclasses.replace(result, attributions=2 * result.attributions)
    np.testing.assert_array_equal((twice - result).attributions, result.attributions)
    told = twice.agreement(result)
    np.testing.assert_allclose(told.correlation, 1)
    np.testing.assert_allclose(told.ranks, 1)
    np.testing.assert_allclose(told.largest, 1)
    assert len(told.ranks) == len(result.as_attributions())


def test_results_of_other_things_are_not_compared():
    layers, heads = KINDS["patching"], KINDS["patching, heads"]
    with pytest.raises(ValueError, match="of different texts, layers or kinds of places"):
        layers - heads
    with pytest.raises(ValueError, match="of different prompts, parts or targets"):
        KINDS["segments"].agreement(KINDS["segments, each"])
    with pytest.raises(TypeError):
        layers - 1
    assert isinstance(layers, PatchingResult)
    assert isinstance(KINDS["segments"], SegmentsResult)
