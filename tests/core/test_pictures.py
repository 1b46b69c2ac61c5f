"""Pictures of results: what they show, that nothing overlaps, and what stays of a failure."""

import dataclasses
import time
from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from trulens_core import (
    AttributionResult,
    GradCAM,
    InputAttribution,
    IntegratedGradients,
    ModelInputs,
    Saliency,
    compare,
)
from trulens_core.testing import small_image_model, small_model
from trulens_core.visualizations.look import label, limit, signed_map
from trulens_core.visualizations.text_colors import LOWERS, RAISES, STRONG_LOWERS, STRONG_RAISES

R = np.random.default_rng(0)
LONG = "a name that is much longer than any chart has room for, number {}"
CLASSES = [LONG.format(i) for i in range(5)]
X = R.random((3, 3, 16, 24))
MAPS = R.normal(size=(3, 3, 16, 24))
TABLE = R.normal(size=(40, 30)) * np.arange(30)
ABOUT = {"channel_axis": 1, "text": "made", "name": "made"}


def result(values, x=None, **fields):
    n = len(values)
    known = {"quantity": np.linspace(-1e4, 1, n), "target": np.arange(n) % 5, "method": ABOUT}
    inputs = None if x is None else ModelInputs([x])
    return AttributionResult(values, inputs=inputs, **{**known, **fields}).named(
        classes=CLASSES, features=[LONG.format(i) for i in range(values.shape[-1])]
    )


def ended():
    return result(TABLE[:4], baseline_quantity=np.zeros(4), quantity=TABLE[:4].sum(axis=1) + 3)


PICTURES = {
    "images": lambda **o: result(MAPS, X).plot(**o),
    "a layer": lambda **o: result(R.normal(size=(2, 9, 4, 6)), X[:2]).plot("channels", **o),
    "bars": lambda **o: result(TABLE).plot(**o),
    "waterfall": lambda **o: ended().plot("waterfall", **o),
    "beeswarm": lambda **o: result(TABLE).plot("beeswarm", x=TABLE, **o),
    "global": lambda **o: result(TABLE).plot("global", most=7, **o),
    "dependence": lambda **o: result(TABLE).plot("dependence", x=TABLE, feature=2, **o),
    "series": lambda **o: result(R.normal(size=(2, 30, 3))).plot(x=R.random((2, 30, 3)), **o),
    "parts": lambda **o: AttributionResult(
        [TABLE[:2], TABLE[:2, :3]], names={"inputs": ["wide", LONG]}
    ).plot(**o),
    "seven compared": lambda **o: compare(
        {f"{i} {LONG}": result(MAPS[:2] * 1e-6, X[:2]) for i in range(7)}, **o
    ),
    "compared": lambda **o: compare(
        {LONG: result(MAPS, X), f"{LONG} too": result(MAPS[:, :1, ::2, ::2])}, X, **o
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _no_windows():
    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def drawn():
    """All pictures, drawn once."""
    figures = {name: draw() for name, draw in PICTURES.items()}
    for figure in figures.values():
        figure.draw_without_rendering()
    return figures


def words(figure):
    """All texts that are seen, with where they stand."""
    found = []
    for axes in [*figure.axes, *(c for a in figure.axes for c in a.child_axes)]:
        found += [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        found += [axes.xaxis.get_offset_text(), axes.yaxis.get_offset_text()]
        for axis in (axes.xaxis, axes.yaxis):
            if axes.axison:
                found += [label for t in axis._update_ticks() for label in (t.label1, t.label2)]
    for part in [figure, *parts(figure)]:
        found += [t for t in (part._suptitle, part._supxlabel) if t is not None]
    found = {id(t): t for t in found if t.get_visible() and t.get_text().strip()}
    return [(t.get_text(), t.get_window_extent()) for t in found.values()]


def parts(figure):
    return [p for own in figure.subfigs for p in (own, *parts(own))]


def titles(figure):
    return [said for said, _ in words(figure)]


# -- layout --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PICTURES)
def test_no_text_overlaps_another_or_leaves_the_figure(name, drawn):
    found = words(drawn[name])
    assert len(found) > 3
    for said, box in found:
        assert box.x0 >= -1, said
        assert box.y0 >= -1, said
        assert box.x1 <= drawn[name].bbox.x1 + 1, said
        assert box.y1 <= drawn[name].bbox.y1 + 1, said
    for (one, a), (other, b) in combinations(found, 2):
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        high = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert wide <= 1 or high <= 1, f"{one!r} overlaps {other!r}"


def test_the_layout_test_sees_an_overlap():
    figure = Figure(figsize=(2, 1))
    axes = figure.subplots()
    axes.set_title("one")
    axes.text(0.5, 1.02, "two", transform=axes.transAxes, ha="center")
    figure.draw_without_rendering()
    boxes = dict(words(figure))
    assert boxes["one"].overlaps(boxes["two"])


def test_labels_keep_both_ends():
    shown = label(LONG.format(7))
    assert len(shown) == 28
    assert shown.startswith("a name")
    assert shown.endswith("number 7")
    assert label("$x$") == r"\$x\$"
    assert label("東京" * 20, 11) == "東京東…東京"  # these take two


# -- what is shown -------------------------------------------------------------------------------


def test_one_record_is_a_list_of_one():
    with pytest.raises(ValueError, match=r"records is 3; it must be a list, such as \[3\]"):
        result(TABLE).plot(records=3)
    with pytest.raises(FileNotFoundError, match="there is no folder /none"):
        result(TABLE).to_html("/none/x.html")


def test_a_title_has_the_record_its_class_and_its_score(drawn):
    assert any(t.startswith("record 0 · a nam") for t in titles(drawn["bars"]))
    assert any(t.endswith("score -1e+04") for t in titles(drawn["images"]))
    said = "blue lowers, orange raises; 4 of 40 records: records= chooses others"
    assert said in titles(drawn["bars"])
    assert titles(drawn["global"]).count("23 others, together") == 1


def test_an_image_its_overlay_its_map_and_a_bar(drawn):
    figure = drawn["images"]
    panels = [a.images[0].get_array() for a in figure.axes if a.images]
    assert len(panels) == 9
    np.testing.assert_allclose(panels[0], np.moveaxis(X[0], 0, -1))
    shown = MAPS[0].sum(axis=0)
    top = limit(shown, 99)
    expected = signed_map()((np.clip(shown / top, -1, 1) + 1) / 2)[..., :3]
    np.testing.assert_allclose(panels[2], expected, atol=0.02)
    strongest = np.unravel_index(np.abs(shown).argmax(), shown.shape)
    assert np.abs(panels[1][strongest] - panels[0][strongest]).max() > 0.1
    bars = [b for a in figure.axes for b in a.child_axes]
    assert len(bars) == 3
    np.testing.assert_allclose(bars[0].get_ylim(), (-top, top))


def test_panels_stand_below_one_another_however_wide_their_scales_are():
    values = MAPS * np.array([1e-7, 1, 1234])[:, None, None, None]
    for figure in (result(values, X).plot(), result(values, X).plot("channels", most=2)):
        figure.draw_without_rendering()
        places = [a.get_position() for a in figure.axes if a.images]
        for column in range(3):
            assert len({(round(p.x0, 6), round(p.x1, 6)) for p in places[column::3]}) == 1


@pytest.mark.parametrize(("rows", "columns"), [(5, 80), (80, 5)])
def test_a_scale_is_as_large_as_can_be_read_beside_any_picture(rows, columns):
    values = np.random.default_rng(0).standard_normal((1, 3, rows, columns))
    figure = AttributionResult(values).plot(fig=Figure((8, 4)))
    figure.draw_without_rendering()
    (bar,) = figure.axes[0].child_axes
    own = bar.get_window_extent()
    assert own.width > 5
    assert own.height > 20 * len(bar.get_yticklabels()) / 2
    shown = [t.get_window_extent() for t in bar.get_yticklabels() if t.get_text()]
    assert all(a.y1 <= b.y0 for a, b in pairwise(shown))


@pytest.mark.parametrize("kind", ["beeswarm", "global"])
def test_the_sum_of_many_features_does_not_press_the_others_together(kind):
    values = np.random.default_rng(0).standard_normal((50, 1000)) + 0.2
    figure = AttributionResult(values).plot(kind, fig=Figure())
    (axes,) = figure.axes
    strongest = np.abs(values).max() if kind == "beeswarm" else np.abs(values).mean(0).max()
    assert max(map(abs, axes.get_xlim())) < 1.5 * strongest
    assert "▶" in [t.get_text() for t in axes.texts]


def test_the_mean_of_one_record_has_no_error_that_is_known():
    (axes,) = AttributionResult(TABLE[:1]).plot("global", fig=Figure()).axes
    assert not any("±" in t.get_text() for t in axes.texts)
    assert "over 1 record;" in axes.get_xlabel()


def test_a_narrow_array_stands_on_the_left_as_wide_as_it_is_alone():
    figure = AttributionResult([MAPS[:1], TABLE[:2]], names={"inputs": ["image", "row"]}).plot()
    figure.draw_without_rendering()
    picture = next(a for a in figure.axes if a.images)
    assert picture.get_window_extent().x1 < 400


def test_charts_of_all_records_say_of_which_classes_they_are():
    many = result(TABLE, x=TABLE)
    one = dataclasses.replace(many, target=np.full(40, 2)).named(classes=["a", "b", "the third"])
    for kind in ("beeswarm", "global", "dependence"):
        said = titles(many.plot(kind, fig=Figure(), feature=0))
        assert any(t.startswith("each record's class: a name") and "3 more" in t for t in said)
        assert "the third, 40 records" in titles(one.plot(kind, fig=Figure(), feature=0))


def test_features_without_names_are_told_as_features():
    assert {"feature 0", "feature 1"} <= {*titles(AttributionResult(TABLE[:, :2]).plot())}


def test_maps_of_a_layer_and_of_a_cam_lie_over_the_images():
    for channels, kind in ((1, None), (9, None), (9, "channels")):
        maps = result(R.normal(size=(3, channels, 4, 6)), X)
        figure = maps.plot(kind, fig=Figure(), records=[0], most=2)
        panels = [a.images[0].get_array() for a in figure.axes if a.images]
        assert len(panels) == 3
        assert {p.shape[:2] for p in panels} == {X.shape[2:]}
    with pytest.raises(ValueError, match="kind='channels' shows a layer's maps"):
        AttributionResult(TABLE).plot("channels", fig=Figure())


def test_inputs_that_are_no_pictures_are_left_out():
    model, x = small_image_model()
    cam = GradCAM(model, "relu2").explain(x)
    assert x.shape[1] == 2
    assert len(cam.plot(fig=Figure(), records=[0]).axes) == 1


def test_clipping_is_told_by_the_ends_of_the_bar():
    values = np.zeros((1, 1, 10, 10))
    values[0, 0, 0, 0], values[0, 0, 1, 1] = 100, -1
    for clip, extend in ((98, "both"), (100, "neither")):
        figure = AttributionResult(values).plot(clip=clip, fig=Figure())
        (bar,) = figure.axes[0].child_axes
        assert bar._colorbar.extend == extend
    with pytest.raises(ValueError, match="clip is 0; it must be a percentile"):
        AttributionResult(values).plot(clip=0)


def test_a_waterfall_leads_from_end_to_end(drawn):
    axes = drawn["waterfall"].axes[0]
    steps = [(bar.get_x(), bar.get_width()) for bar in axes.patches]
    left, width = steps[-1]
    total = TABLE[0].sum() + 3
    assert min(abs(left - total), abs(left + width - total)) < 1e-9
    assert "residual" in [t.get_text() for t in axes.get_yticklabels()]
    with pytest.raises(ValueError, match="a waterfall leads from the score at the baseline"):
        result(TABLE).plot("waterfall")


def test_global_means_have_their_standard_errors(drawn):
    (axes,) = drawn["global"].axes
    sizes = np.abs(TABLE)
    order = np.argsort(-sizes.mean(axis=0))[:7]
    *found, others = [b.get_width() for b in axes.patches]
    np.testing.assert_allclose(found, sizes.mean(axis=0)[order])
    rest = np.delete(TABLE, order, axis=1).sum(axis=1)
    np.testing.assert_allclose(others, np.abs(rest).mean())
    (lines,) = [c for c in axes.collections if len(c.get_segments()) == 8]
    widths = [s[1, 0] - s[0, 0] for s in lines.get_segments()][:7]
    errors = sizes[:, order].std(axis=0, ddof=1) / np.sqrt(len(TABLE))
    np.testing.assert_allclose(widths, 2 * errors)


def test_a_swarm_has_a_dot_for_each_record_in_the_colour_of_its_value(drawn):
    swarms = drawn["beeswarm"].axes[0].collections
    strongest = np.abs(TABLE).mean(axis=0).argmax()
    np.testing.assert_array_equal(swarms[0].get_offsets()[:, 0], TABLE[:, strongest])
    assert len(swarms) == 21  # the last is of the others, together
    np.testing.assert_allclose(
        sum(s.get_offsets()[:, 0] for s in swarms), TABLE.sum(axis=1), rtol=1e-6
    )
    order = np.argsort(TABLE[:, strongest])
    assert (np.diff(swarms[0].get_array()[order]) >= 0).all()


def test_a_swarm_without_values_has_the_colours_of_sign():
    dots = AttributionResult(TABLE).plot("beeswarm", most=3, fig=Figure()).axes[0].collections[0]
    lowers = dots.get_offsets()[:, 0] < 0
    assert len({tuple(c) for c in dots.get_facecolor()[lowers]}) == 1
    assert len({tuple(c) for c in dots.get_facecolor()}) == 2


def test_a_dependence_is_of_a_named_feature():
    table = AttributionResult(TABLE).named(features=[f"f{i}" for i in range(30)])
    figure = table.plot("dependence", x=2 * TABLE, feature="f2", fig=Figure())
    up, down = figure.axes[0].collections
    both = np.concatenate([up.get_offsets(), down.get_offsets()])
    np.testing.assert_allclose(both[:, 0], 2 * both[:, 1])
    for wrong in (None, "f30", 30):
        with pytest.raises(ValueError, match="shows one feature"):
            table.plot("dependence", x=TABLE, feature=wrong)
    with pytest.raises(ValueError, match="give them as x="):
        table.plot("dependence", feature=0)
    with pytest.raises(ValueError, match=r"x has shape \(40, 3\)"):
        table.plot("dependence", x=TABLE[:, :3], feature=0)


def test_a_hundred_thousand_rows_take_no_time():
    table = AttributionResult(np.tile(TABLE, (2500, 1)))
    table[:9].plot("beeswarm", x=TABLE[:9], fig=Figure())  # what loads at first use
    for kind in ("beeswarm", "global"):
        begun = time.process_time()
        table.plot(kind, x=table.attributions, fig=Figure())
        assert time.process_time() - begun < 4, kind


# -- methods side by side ------------------------------------------------------------------------


def test_methods_are_compared_by_record():
    model, x = small_image_model()
    figure = compare({"saliency": Saliency(model), "CAM": GradCAM(model, "relu2")}, x, fig=Figure())
    assert [a.get_title() for a in figure.axes] == ["saliency", "CAM", "", ""]
    table, rows = small_model()
    methods = {"point": InputAttribution(table), "path": IntegratedGradients(table)}
    figure = compare(methods, rows, records=[1], fig=Figure())
    assert [p.get_suptitle() for p in figure.subfigs] == ["point", "path"]
    with pytest.raises(ValueError, match="'point' is a method: give x="):
        compare(methods)
    figure = compare({"theirs": MAPS, "ours": result(MAPS, X)}, X, fig=Figure())
    one, other = (a.images[0].get_array() for a in figure.axes[1:3])
    np.testing.assert_array_equal(one, other)
    figure = compare({"a": np.concatenate([MAPS, MAPS])})
    assert "4 of 6 records" in figure._supxlabel.get_text()
    pyplot.close(figure)
    with pytest.raises(ValueError, match="'a' is int; give a result, a method or an array"):
        compare({"a": 1}, x)
    with pytest.raises(ValueError, match="nothing to compare"):
        compare({})
    with pytest.raises(ValueError, match="give compare a mapping"):
        compare([MAPS])
    with pytest.raises(ValueError, match="different numbers of records"):
        compare({"a": AttributionResult(TABLE), "b": AttributionResult(TABLE[:2])})


def test_what_is_compared_of_two_quantities_has_no_score_of_one():
    of_one = result(MAPS, X, quantity=np.arange(3.0))
    of_other = dataclasses.replace(of_one, quantity=np.arange(3.0) + 1)
    for other, scored in ((of_one, True), (of_other, False)):
        figure = compare({"a": of_one, "b": other}, X, fig=Figure())
        said = figure.axes[0].get_xlabel()
        assert ("score" in said) is scored
        assert said == "record 0" or scored


# -- whose figure --------------------------------------------------------------------------------


def test_a_figure_of_its_own_is_new_and_is_returned(drawn):
    assert drawn["bars"] is not drawn["global"]
    numbers = set(pyplot.get_fignums())
    new = result(TABLE[:1, :2]).plot()
    assert set(pyplot.get_fignums()) - numbers == {new.number}
    pyplot.close(new)
    own = Figure()
    assert result(TABLE[:1, :2]).plot(fig=own) is own


def test_one_chart_is_drawn_on_axes():
    figure = Figure(figsize=(9, 3))
    for axes, (values, kind) in zip(
        figure.subplots(1, 3), ((TABLE, None), (MAPS, None), (TABLE, "global")), strict=True
    ):
        made = result(values).plot(kind, records=[1], ax=axes)
        assert made is figure
        assert axes.patches or axes.images
    for values, options in ((TABLE, {}), (MAPS, {"kind": "channels", "records": [0]})):
        with pytest.raises(ValueError, match="give fig="):
            result(values).plot(ax=axes, **options)
    with pytest.raises(ValueError, match="fig= or ax=, not both"):
        result(TABLE).plot(records=[0], ax=axes, fig=figure)


def test_nothing_is_left_of_what_failed(monkeypatch):
    own = Figure()
    kept = own.add_axes((0, 0, 0.1, 0.1))
    engine, numbers = own.get_layout_engine(), pyplot.get_fignums()

    def broken(*_):
        raise RuntimeError("while drawing")

    monkeypatch.setattr("trulens_core.visualizations.result_plots.bars", broken)
    for values in (TABLE, [TABLE, TABLE]):
        for options in ({"fig": own}, {}):
            with pytest.raises(RuntimeError, match="while drawing"):
                AttributionResult(values).plot(**options)
    with pytest.raises(RuntimeError, match="while drawing"):
        AttributionResult(TABLE).plot(ax=kept, records=[0])
    assert own.axes == [kept]
    assert own.subfigs == []
    assert own.get_layout_engine() is engine
    assert kept.get_title() == ""
    assert pyplot.get_fignums() == numbers


# -- texts ---------------------------------------------------------------------------------------


def test_words_are_put_together_and_tokens_hidden():
    tokens = [["[CLS]", "un", "##believ", "##able", "film", "[PAD]"]]
    values = np.array([[0.0, 1.0, 2.0, -0.5, 0.25, 7.0]])
    text = AttributionResult(values, target=np.array([1])).named(tokens=tokens)
    shown = text.plot(words=True, hidden_tokens=["[CLS]", "[PAD]"])
    assert repr(shown) == "unbelievable(+2.5) film(+0.25)  [±2.5, hidden +7]\n"
    named = text.named(classes=["bad", "good"]).plot(hidden_tokens=["[PAD]"])
    assert repr(named).startswith("good: [CLS] un(+1) ##believ(+2)")


# -- colours -------------------------------------------------------------------------------------

# what is seen without one kind of cones, of linear RGB (Machado, Oliveira and Fernandes, 2009)
SEEN = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "all cones": np.eye(3),
}


def lab(color, matrix):
    """CIE L*a*b* of a colour as it is seen, under D65."""
    c = np.asarray(color) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.asarray(matrix) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.asarray(to_xyz) @ seen / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SEEN)
@pytest.mark.parametrize("ends", [(RAISES, LOWERS), (STRONG_RAISES, STRONG_LOWERS)])
def test_signs_are_told_apart_by_every_kind_of_sight(sight, ends):
    raises, lowers = (lab(end, SEEN[sight]) for end in ends)
    assert np.linalg.norm(raises - lowers) > 40  # 2.3 can just be told apart
    for end in (raises, lowers):
        assert np.linalg.norm(end - lab((255, 255, 255), SEEN[sight])) > 20
    red, green = (lab(c, SEEN["deuteranopia"]) for c in ((180, 60, 40), (95, 110, 40)))
    assert np.linalg.norm(red - green) < 40  # the test of the test
