"""Files and figures: what is written, what is drawn, and what is left alone."""

import os
import subprocess
import sys
from io import BytesIO

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from matplotlib.image import imread

from trulens_core.visualizations import HeatmapVisualizer, MaskVisualizer, Visualizer
from trulens_core.visualizations import pictures as pictures_module

A = np.random.default_rng(0).normal(size=(3, 3, 12, 8))
X = np.random.default_rng(1).uniform(size=(3, 3, 12, 8))
CALLS = {
    "Visualizer": (Visualizer(), (A,)),
    "HeatmapVisualizer": (HeatmapVisualizer(), (A, X)),
    "MaskVisualizer": (MaskVisualizer(), (A, X)),
}


@pytest.fixture(autouse=True)
def _no_windows():
    pyplot.switch_backend("agg")
    pyplot.close("all")
    yield
    pyplot.close("all")


@pytest.fixture(params=list(CALLS))
def call(request):
    visualizer, arrays = CALLS[request.param]

    def run(**options):
        return visualizer(*arrays, **options)

    return run


def test_nothing_is_drawn_without_imshow(call, tmp_path):
    call(imshow=False)
    call(imshow=False, output_file=tmp_path / "a.png")
    call(imshow=False, output_file=tmp_path / "a.pdf")
    assert pyplot.get_fignums() == []


def test_an_open_figure_is_left_alone_without_imshow(call):
    mine = pyplot.figure()
    call(imshow=False, fig=mine)
    call(imshow=False)
    assert mine.axes == []
    assert pyplot.get_fignums() == [mine.number]


def test_the_current_figure_is_drawn_on(call, tmp_path):
    figure, (left, right) = pyplot.subplots(1, 2)
    pyplot.sca(left)
    call(output_file=tmp_path / "a.png")
    assert pyplot.get_fignums() == [figure.number]
    assert len(right.images) == 0
    (image,) = left.images
    pixels = np.rint(255 * imread(tmp_path / "a.png")[..., :3])
    np.testing.assert_array_equal(image.get_array(), pixels)
    assert not left.axison


def test_a_figure_is_opened_where_there_is_none(call):
    call()
    call()
    (number,) = pyplot.get_fignums()
    assert len(pyplot.figure(number).axes) == 1


def test_the_figure_given_is_drawn_on(call):
    mine = Figure()
    call(fig=mine)
    assert pyplot.get_fignums() == []
    assert mine.axes[0].images[0].get_array().shape == (24, 16, 3)


def test_a_part_of_a_figure_is_drawn_on(call):
    left, right = Figure().subfigures(1, 2)
    call(fig=right)
    assert left.axes == []
    assert len(right.axes[0].images) == 1


def test_pictures_stand_upright_whatever_the_settings(tmp_path):
    a = np.zeros((1, 1, 12, 8))
    a[0, 0, 0] = 1
    with mpl.rc_context({"image.origin": "lower"}):
        Visualizer(cmap="gray")(a, tmp_path / "a.png")
    image = pyplot.gca().images[0]
    assert image.origin == "upper"
    assert imread(tmp_path / "a.png")[0, 0, 0] == 1
    np.testing.assert_array_equal(image.get_array()[0], 255)


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "QtAgg"])
def test_a_new_figure_is_shown_without_blocking(monkeypatch, call, backend):
    shown = []
    monkeypatch.setattr(pyplot, "get_backend", lambda: backend)
    monkeypatch.setattr(pyplot, "show", lambda **options: shown.append(options))
    call(imshow=False)
    call(fig=Figure())
    assert shown == []
    call()
    assert shown == [{"block": False}]
    call()
    assert len(shown) == 1


def test_nothing_is_shown_where_nothing_can_be(monkeypatch, call):
    monkeypatch.setattr(pyplot, "show", lambda **_: pytest.fail("shown"))
    call()


@pytest.mark.parametrize("convert", [str, lambda path: path])
def test_file_may_be_str_or_path(call, tmp_path, convert):
    call(imshow=False, output_file=convert(tmp_path / "a.png"))
    assert imread(tmp_path / "a.png").shape[:2] == (24, 16)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("ending", [*pictures_module.FORMATS, "PNG"])
def test_the_ending_says_the_format(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    Visualizer()(A, path, imshow=False)
    starts = {
        "png": b"\x89PNG",
        "jp": b"\xff\xd8",
        "ti": b"II*",
        "webp": b"RIFF",
        "gif": b"GIF8",
        "pdf": b"%PDF",
        "svg": b"<?xml",
        "eps": b"%!PS",
        "ps": b"%!PS",
    }
    (start,) = [start for name, start in starts.items() if ending.lower().startswith(name)]
    assert path.read_bytes().startswith(start)


def test_without_an_ending_it_is_png(tmp_path):
    Visualizer()(A, tmp_path / "picture", imshow=False)
    assert (tmp_path / "picture").read_bytes().startswith(b"\x89PNG")


def test_a_relative_name_is_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Visualizer()(A, "a.png", imshow=False)
    assert (tmp_path / "a.png").is_file()


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "a.png").symlink_to(tmp_path / "there" / "b.png")
    Visualizer()(A, tmp_path / "a.png", imshow=False)
    assert (tmp_path / "a.png").is_symlink()
    assert imread(tmp_path / "there" / "b.png").shape[:2] == (24, 16)


def test_files_can_be_read_by_whom_new_files_can(tmp_path):
    (tmp_path / "plain").write_text("")
    Visualizer()(A, tmp_path / "a.png", imshow=False)
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_unknown_ending_is_refused(call, tmp_path):
    with pytest.raises(ValueError, match=r"a\.doc has no known ending for a picture; use one of"):
        call(imshow=False, output_file=tmp_path / "a.doc")
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_is_named(call, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder of output_file .*a\.png does not exist"):
        call(imshow=False, output_file=tmp_path / "none" / "a.png")


@pytest.mark.parametrize("step", ["fsync", "imsave"])
def test_a_failure_leaves_the_folder_as_it_was(call, tmp_path, monkeypatch, step):
    def fail(*_args, **_options):
        raise OSError("no space")

    (tmp_path / "old.png").write_bytes(b"old")
    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr("matplotlib.image.imsave", fail)
    for name in ("old.png", "new.png"):
        with pytest.raises(OSError, match="no space"):
            call(imshow=True, output_file=tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["old.png"]
    assert (tmp_path / "old.png").read_bytes() == b"old"
    assert pyplot.get_fignums() == []


def test_a_wrong_call_writes_and_draws_nothing(tmp_path):
    with pytest.raises(ValueError, match="does not fit"):
        MaskVisualizer()(A, X[:2], tmp_path / "a.png")
    with pytest.raises(ValueError, match="combine_channels"):
        Visualizer()(A, tmp_path / "a.png", cmap="jet")
    assert list(tmp_path.iterdir()) == []
    assert pyplot.get_fignums() == []


def test_pixels_are_written_as_they_are(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    pictures_module.save(pixels, tmp_path / "a.png")
    read = imread(BytesIO((tmp_path / "a.png").read_bytes()))[..., :3]
    np.testing.assert_array_equal(np.rint(255 * read), pixels)


def run(code):
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


WITHOUT = """
import sys
{}
import numpy as np
from trulens_core.visualizations import *
a, x = np.ones((1, 3, 8, 8)), np.ones((1, 3, 8, 8))
"""
MATPLOTLIB = "sys.modules['matplotlib'] = None"
SCIPY = "sys.modules['scipy'] = None"


@pytest.mark.parametrize(
    ("package", "missing", "use"),
    [
        ("matplotlib", MATPLOTLIB, "Visualizer()(a)"),
        ("matplotlib", MATPLOTLIB, "Visualizer(combine_channels=True)(a)"),
        ("matplotlib", MATPLOTLIB, "Visualizer()(a, 'a.png', imshow=False)"),
        ("matplotlib", MATPLOTLIB, "HeatmapVisualizer()"),
        ("matplotlib", MATPLOTLIB, "MaskVisualizer(blur=0)(a, x)"),
        ("scipy", SCIPY, "Visualizer(blur=1)(a)"),
        ("scipy", SCIPY, "HeatmapVisualizer()(a, x)"),
        ("scipy", SCIPY, "MaskVisualizer()(a, x)"),
    ],
)
def test_a_missing_package_is_named_with_its_pip_line_when_used(package, missing, use):
    done = run(WITHOUT.format(missing) + use)
    assert f"ImportError: {package} is needed here and not installed" in done.stderr
    assert "pip install 'trulens-nn[viz]'" in done.stderr


def test_what_draws_nothing_works_without_them():
    done = run(WITHOUT.format(f"{MATPLOTLIB}; {SCIPY}") + "print(Tiler().tile(a).shape, NLP, HTML)")
    assert done.stdout.startswith("(8, 8, 3)"), done.stderr


@pytest.mark.parametrize("module", ["trulens_core", "trulens_core.visualizations"])
def test_importing_does_not_import_them(module):
    done = run(
        f"import sys, {module}\n"
        "print([name for name in ('matplotlib', 'scipy') if name in sys.modules])"
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_pyplot_and_its_backend_wait_until_something_is_drawn(tmp_path):
    path = str(tmp_path / "a.png")
    done = run(
        "import sys, matplotlib, numpy as np\n"
        "from trulens_core.visualizations import Visualizer\n"
        f"Visualizer(blur=1)(np.ones((1, 3, 8, 8)), {path!r}, imshow=False)\n"
        "from matplotlib.figure import Figure\n"
        "Visualizer()(np.ones((1, 3, 8, 8)), fig=Figure())\n"
        "print('matplotlib.pyplot' in sys.modules, matplotlib.get_backend(auto_select=False))"
    )
    assert done.stdout.strip() == "False None", done.stderr
