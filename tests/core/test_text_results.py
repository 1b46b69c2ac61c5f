"""Results that show themselves: in notebooks, and in the picture that fits."""

import base64
import re
import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from matplotlib.image import imread

from trulens_core import (
    AttributionResult,
    IntegratedGradients,
    InternalInfluence,
    LambdaQoI,
    ModelInputs,
)
from trulens_core.testing import small_model
from trulens_core.visualizations.text_colors import (
    STRONG_LOWERS,
    STRONG_RAISES,
    css,
)

R = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _no_windows():
    pyplot.switch_backend("agg")
    pyplot.close("all")
    yield
    pyplot.close("all")


def result(*shape, **fields):
    return AttributionResult(R.normal(size=shape), **fields)


def cells(page):
    return re.findall(r'class="trulens-cell"[^>]*>([^<]*)<', page)


# -- notebooks -----------------------------------------------------------------------------------


def test_a_result_tells_its_quantities_and_residuals():
    model, x = small_model()
    explained = IntegratedGradients(model, resolution=64).explain(x)
    found = cells(explained._repr_html_())
    assert found[:6] == ["record", "class", "quantity", "at the baseline", "residual", "points"]
    assert found[6:8] == ["0", "1"]
    assert float(found[8]) == pytest.approx(explained.quantity[0], rel=1e-3)
    assert found[11] == "64"
    named = explained.named(classes=["a", "<b>", "c"], features=["age", "b", "c", "d", "e"])
    found = cells(named._repr_html_())
    assert found[7] == "&lt;b&gt;"
    assert {"age", "b", "c", "d", "e"} <= set(found)


def test_a_table_shows_the_strongest_features_in_their_order():
    values = np.zeros((2, 30))
    values[0, [3, 17, 29]] = 1, -2, 3
    found = cells(AttributionResult(values)._repr_html_())
    assert found[0] == "record"
    names = found[1:13]
    assert {"feature 3", "feature 17", "feature 29"} <= set(names)
    assert names == sorted(names, key=lambda n: int(n.removeprefix("feature ")))
    assert {"+1", "-2", "+3"} <= set(found)


def test_what_is_left_out_is_told():
    page = result(20, 30)._repr_html_()
    assert "12 more records, 18 weaker features" in page


def test_images_are_a_picture_in_the_page():
    values = R.normal(size=(3, 3, 6, 6))
    page = AttributionResult(values)._repr_html_()
    data = re.search(r'src="data:image/png;base64,([^"]*)"', page)[1]
    assert imread(BytesIO(base64.b64decode(data))).shape[:2] == (12, 12)


def test_images_that_were_explained_stand_beside_their_overlay_and_map():
    x = R.random((5, 3, 6, 400))
    found = AttributionResult(
        R.normal(size=x.shape), inputs=ModelInputs([x]), target=np.arange(5), method={"<b>": 1}
    ).named(classes=["<cat>", *"bcde"])
    page = found._repr_html_()
    assert page.isascii()
    assert re.findall(r"<figcaption>(\w+)<", page) == ["input", "overlay", "attributions"] * 3
    assert "record 0 &#183; &lt;cat&gt; &#183; full colour &#177;" in page
    assert "2 more records" in page
    data = re.findall(r'src="data:image/png;base64,([^"]*)"', page)
    assert {imread(BytesIO(base64.b64decode(d))).shape[:2] for d in data} == {(3, 200)}


def test_texts_show_positions():
    page = result(2, 7, 16)._repr_html_()
    assert re.findall(r'"trulens-token"[^>]*>(\d+)<', page) == [*"0123456"] * 2


def test_several_parts_have_their_names():
    page = AttributionResult({"<ids>": R.normal(size=(2, 3)), "b": R.normal(size=(2, 4))})
    assert "<b>&lt;ids&gt;</b>" in page._repr_html_()
    nested = AttributionResult([[R.normal(size=(2, 3))] * 2, [R.normal(size=(2, 3))] * 2])
    assert "<b>1 0</b>" in nested._repr_html_()


@pytest.mark.parametrize("shape", [(3,), (0, 4), (2, 0), (2, 3, 0), (2, 2, 2, 2, 2), (2, 5, 6, 7)])
def test_every_shape_is_shown_without_an_error(shape):
    page = AttributionResult(np.ones(shape))._repr_html_()
    assert " &#215; ".join(map(str, shape)) in page
    assert page.isascii()
    assert page.count("<div") == page.count("</div>")


def test_what_is_not_finite_is_shown():
    values = np.array([[np.nan, np.inf, -np.inf, 1.0]])
    assert "+nan" in AttributionResult(values)._repr_html_()
    AttributionResult(values[..., None])._repr_html_()
    AttributionResult(values.reshape(1, 1, 2, 2))._repr_html_()


def test_quantities_per_record_may_be_several():
    model, x = small_model()
    method = InternalInfluence(model, "hidden", LambdaQoI(lambda y: y), "point")
    explained = method.explain(x)
    page = explained._repr_html_()
    expected = ", ".join(f"{v:.4g}" for v in explained.quantity[0])
    assert expected in cells(page)
    assert page.count("attributions 2 &#215; 4") == 3


WITHOUT = """
import sys
sys.modules["matplotlib"] = None
import numpy as np
from trulens_core import AttributionResult
result = AttributionResult(np.ones({}))
{}
"""


def run(code):
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_without_matplotlib_tables_and_texts_are_shown_and_images_say_what_they_need():
    for shape in ((2, 3), (2, 3, 4)):
        done = run(WITHOUT.format(shape, "print(result._repr_html_())"))
        assert "trulens-" in done.stdout, done.stderr
    done = run(WITHOUT.format((1, 1, 2, 2), "print(result._repr_html_())"))
    assert "pip install &#x27;trulens-nn[viz]&#x27;" in done.stdout, done.stderr


def test_without_matplotlib_a_plot_names_the_pip_line_and_texts_need_none():
    assert "pip install 'trulens-nn[viz]'" in run(WITHOUT.format((2, 3), "result.plot()")).stderr
    text = "print(result.plot(tokens=[['a', 'b', 'c']] * 2))"
    assert run(WITHOUT.format((2, 3, 4), text)).stdout.startswith("a(+4) b(+4) c(+4)")


# -- plots ---------------------------------------------------------------------------------------


def titles(figure):
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def test_a_table_is_bars_the_strongest_on_top():
    values = np.array([[0.5, -2.0, 1.0]])
    figure = Figure()
    AttributionResult(values).plot(names=["age", "income", "$"], fig=figure)
    (axes,) = figure.axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["income", r"\$", "age"]
    assert [bar.get_width() for bar in axes.patches] == [-2.0, 1.0, 0.5]
    colors = [css(tuple(round(255 * c) for c in bar.get_facecolor()[:3])) for bar in axes.patches]
    assert colors == [css(STRONG_LOWERS), css(STRONG_RAISES), css(STRONG_RAISES)]
    assert axes.yaxis_inverted()


def test_bars_that_are_too_many_are_added_up():
    values = R.normal(size=(1, 40))
    figure = Figure()
    AttributionResult(values).plot(fig=figure)
    (axes,) = figure.axes
    assert len(axes.patches) == 15
    assert axes.get_yticklabels()[-1].get_text() == "26 others"
    assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(values.sum())


def test_the_first_records_are_drawn_or_those_asked_for():
    figure = Figure()
    result(9, 3).plot(fig=figure)
    assert titles(figure) == [f"record {i}" for i in range(4)]
    figure = Figure()
    result(9, 3).plot(records=[7, -1], fig=figure)
    assert titles(figure) == ["record 7", "record 8"]
    with pytest.raises(IndexError, match="records has 9, but there are 9 records"):
        result(9, 3).plot(records=[9], fig=Figure())


def test_a_series_of_one_channel_is_a_curve():
    values = np.array([1.0, -2.0, 3.0])[None, :, None]
    for array in (values, values[..., 0]):
        figure = Figure()
        AttributionResult(array).plot("series", fig=figure)
        up, down = figure.axes[0].patches
        np.testing.assert_array_equal(up.get_data().values, [1, 0, 3])
        np.testing.assert_array_equal(down.get_data().values, [0, -2, 0])


def test_a_series_of_several_is_strips_with_the_series_over_them():
    values, x = R.normal(size=(2, 10, 3)), R.normal(size=(2, 10, 3))
    figure = Figure()
    AttributionResult(values).plot(x=x, names=["a", "b", "c"], fig=figure)
    drawn = [axes for axes in figure.axes if axes.images]
    assert len(drawn) == 2
    np.testing.assert_array_equal(drawn[1].images[0].get_array(), values[1].T)
    low, high = drawn[1].images[0].get_clim()
    assert low == -high == -np.percentile(np.abs(values[1]), 99)
    assert [t.get_text() for t in drawn[0].get_yticklabels()] == ["a", "b", "c"]
    for channel, curve in enumerate(drawn[0].lines):
        y = curve.get_ydata()
        assert channel - 0.5 < y.min() < y.max() < channel + 0.5
        assert np.corrcoef(y, x[0, :, channel])[0, 1] == pytest.approx(-1)  # images count down


def test_many_channels_are_added_up():
    values = R.normal(size=(1, 5, 40))
    figure = Figure()
    AttributionResult(values).plot(fig=figure)
    (axes,) = figure.axes
    assert axes.get_ylabel() == "sum of 40 channels"
    total = sum(p.get_data().values for p in axes.patches)
    np.testing.assert_allclose(total, values[0].sum(axis=-1))


def test_parts_stand_below_one_another():
    figure = Figure()
    AttributionResult([R.normal(size=(2, 3)), R.normal(size=(2, 3))]).plot(fig=figure)
    assert [f.get_suptitle() for f in figure.subfigs] == ["0", "1"]
    assert all(len(f.axes) == 2 for f in figure.subfigs)


def test_tokens_make_it_a_text():
    values = np.array([[[0.5, 0.5], [-0.25, 0.0]], [[1.0, 1.0], [0.0, 0.0]]])
    shown = AttributionResult(values).plot(tokens=[["good", "film"], ["so", "so"]])
    assert repr(shown) == "good(+1) film(-0.25)  [±1]\nso(+2) so  [±2]\n"
    assert "trulens-text" in shown._repr_html_()
    assert pyplot.get_fignums() == []
    second = AttributionResult(values).plot(tokens=[["good", "film"], ["so", "so"]], records=[1])
    assert repr(second) == "so(+2) so  [±2]\n"


def test_a_notebook_shows_a_text_s_tokens():
    found = AttributionResult(np.array([[0.5, -2.0, 1.0]])).named(tokens=[["not", "a", "<film>"]])
    page = found._repr_html_()
    assert "&lt;film&gt;" in page
    assert "feature 0" not in page
    assert "0 more" not in page


def test_a_text_without_tokens_shows_positions_and_parts_side_by_side():
    shown = AttributionResult([np.ones((1, 2, 3)), -np.ones((1, 2, 3))]).plot("text")
    assert repr(shown) == "0: 0(+3) 1(+3)  [±3]\n1: 0(-3) 1(-3)  [±3]\n"


def test_a_new_figure_is_the_current_one_and_an_own_one_stays_its_owner_s():
    result(2, 3).plot()
    assert len(pyplot.get_fignums()) == 1
    pyplot.close("all")
    own = Figure()
    own.add_axes((0, 0, 0.2, 0.2))
    result(2, 3).plot(fig=own)
    assert own.get_layout_engine() is None
    assert pyplot.get_fignums() == []


def test_labels_fit_on_the_figure():
    figure = Figure(figsize=(6, 4))
    result(2, 3).plot(names=["a very long name of a feature", "b", "c"], fig=figure)
    figure.draw_without_rendering()
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1


# -- what is refused -----------------------------------------------------------------------------


def test_what_cannot_be_drawn_is_told():
    with pytest.raises(ValueError, match="kind is 'pie'; it must be one of text, image, series"):
        result(2, 3).plot("pie")
    with pytest.raises(ValueError, match=r"no picture of attributions of shape \(1, 2, 3, 4, 5\)"):
        result(1, 2, 3, 4, 5).plot()
    with pytest.raises(ValueError, match="names has 2 names, but there are 3 features"):
        result(2, 3).plot(names=["a", "b"], fig=Figure())
    with pytest.raises(ValueError, match="record 1 has 2 tokens, but attributions for 3"):
        result(2, 3).plot(tokens=[["a", "b", "c"], ["a", "b"]])
    with pytest.raises(ValueError, match=r"texts have attributions \(records, tokens"):
        result(3).plot(tokens=[["a"]] * 3)
    assert pyplot.get_fignums() == []


def test_importing_the_library_imports_no_visualization():
    code = "import sys, trulens_core; print([m for m in sys.modules if 'visualizations' in m])"
    assert run(code).stdout.strip() == "[]"


def test_a_printed_result_is_short():
    """Shapes of arrays, numbers of a few records, and nothing of what was not asked for."""
    result = AttributionResult(
        {"x": R.normal(size=(20, 30))},
        gradients=[R.normal(size=(5, 20, 30)).astype("float32")] * 2,
        quantity=np.arange(20.0),
        residual=np.array([0.123456, -1.0]),
    )
    assert repr(result) == (
        "AttributionResult(attributions: {'x': float64 (20, 30)}, gradients: "
        "[float32 (5, 20, 30), float32 (5, 20, 30)], quantity: float64 (20,), "
        "residual: [ 0.1235 -1.    ])"
    )


def test_names_of_the_result_are_those_of_its_picture():
    values = np.array([[0.5, -0.25]])
    own = AttributionResult(values, names={"tokens": [["good", "film"]]})
    assert str(own.plot()) == str(AttributionResult(values).plot(tokens=[["good", "film"]]))
    assert "other" in str(own.plot(tokens=[["other", "words"]]))
    figure = Figure()
    AttributionResult(values, names={"features": ["age", "income"]}).plot(fig=figure)
    assert [x.get_text() for x in figure.axes[0].get_yticklabels()] == ["age", "income"]


def test_fields_stand_in_the_order_of_before():
    """Those of 0.1 by position, and None where they do not apply."""
    fields = list(AttributionResult.__dataclass_fields__)
    assert fields[:8] == [
        *["attributions", "gradients", "interventions", "quantity", "baseline_quantity"],
        *["residual", "n_points", "converged"],
    ]
    assert fields[8:] == [
        *["standard_error", "n_evaluations", "activation", "segments", "inputs", "names"],
        *["qoi", "method", "coverage", "target", "method_arrays", "fingerprints"],
    ]
    model, x = small_model()
    explained = IntegratedGradients(model).explain(x)
    told = {"inputs", "qoi", "method", "target", "method_arrays"}
    assert {name for name in fields[8:] if getattr(explained, name) is not None} == told
    assert "standard_error" not in repr(explained)
    assert repr(explained).endswith("qoi: MaxClassQoI(), method: IntegratedGradients)")
