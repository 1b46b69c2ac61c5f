"""`python -m trulens_core run`."""

import subprocess
import sys

import numpy as np
import pytest

from trulens_core import Saliency, SpecError, open_run
from trulens_core import __main__ as command
from trulens_core.recipes import run_spec
from trulens_core.testing import small_model

CODE = """
import numpy as np
from trulens_core import Saliency
from trulens_core.testing import small_model

def model():
    return small_model()[0]

def method():
    return Saliency(model())

x = np.random.default_rng(0).standard_normal((20, 5))

def data():
    return x

def fragile(row):
    if row[0] > 1:
        raise ValueError("too large")
    return row
"""
X = np.random.default_rng(0).standard_normal((20, 5))


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("explained", None)
    (tmp_path / "explained.py").write_text(CODE)

    def write(text, method='"explained:method"'):
        path = tmp_path / "spec.toml"
        head = f'method = {method}\ndata = "explained:data"\nout = "run.zarr"\n'
        path.write_text(head + text)
        return str(path)

    return write


def test_a_file_says_it_all(spec, tmp_path, capsys):
    path = spec("[options]\nbatch_size = 4\nkeep = { top = 2 }\n")
    assert command.main(["run", path]) == 0
    out = capsys.readouterr().out
    assert "Run(20 of 20 records, Saliency, attributions (5,))" in out
    assert "20 records" in out
    run = open_run(tmp_path / "run.zarr")
    assert run.arrays["attributions"].shape == (20, 2)


def test_a_method_by_name_and_a_model_by_path(spec):
    method = '{ name = "Saliency", absolute = true }'
    run = run_spec(spec("", f'{method}\nmodel = "explained:model"'))
    wanted = Saliency(small_model()[0], absolute=True).attributions(X)
    assert np.allclose(run[:].attributions, wanted, rtol=1e-12)


def test_records_that_fail_make_the_exit_code_1(spec, capsys):
    path = spec('[options]\nmax_failures = 20\nbatch_size = 4\nloader = "explained:fragile"\n')
    assert command.main(["run", path]) == 1
    assert "failed: ValueError: too large" in capsys.readouterr().out


def test_ranks_of_a_scheduler(spec, tmp_path):
    path = spec("[options]\nbatch_size = 4\nshard = 4\n")
    for rank in ("0", "1"):
        assert command.main(["run", path, "--rank", rank, "--world-size", "2"]) == 0
    assert open_run(tmp_path / "run.zarr").complete


def test_what_goes_wrong_is_a_line_and_the_exit_code_2(spec, capsys):
    path = spec("[options]\nbatch_size = 4\n")
    command.main(["run", path])
    assert command.main(["run", spec("[options]\nbatch_size = 5\n")]) == 2
    assert "batch_size was 4 and is 5" in capsys.readouterr().err
    assert command.main(["run", "nowhere.toml"]) == 2
    assert "nowhere.toml cannot be read" in capsys.readouterr().err


def test_in_a_process_of_its_own(spec):
    done = subprocess.run(
        [sys.executable, "-m", "trulens_core", "run", spec("")], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"Run(20 of 20 records" in done.stdout


@pytest.mark.parametrize(
    ("text", "method", "said"),
    [
        ("a = 1", '"explained:method"', "says 'a'"),
        ("", '"explained"', "must be 'module:name'"),
        ("", '"nowhere:method"', "there is no nowhere"),
        ("", '"explained:nothing"', "explained has no nothing"),
        ("", '{ name = "Saliency" }', "beside model ="),
        ("", '{ name = "Magic" }\nmodel = "explained:model"', "there is no method 'Magic'"),
        ("[options]\nsize = 4", '"explained:method"', "options has 'size'"),
        ("= 4", '"explained:method"', "is no TOML"),
    ],
)
def test_files_that_say_something_else(spec, text, method, said):
    with pytest.raises(SpecError, match=said):
        run_spec(spec(text, method))
