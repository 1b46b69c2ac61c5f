"""What wrappers, methods and their parts show in a notebook, and what a call costs."""

import re

import numpy as np
import pytest

import trulens_core
from trulens_core import (
    LRP,
    ClassQoI,
    GaussianDoi,
    GradCAM,
    IntegratedGradients,
    KernelSHAP,
    LinearDoi,
    PointDoi,
    QoI,
    get_model_wrapper,
)
from trulens_core.metrics.evaluation import Evaluation
from trulens_core.metrics.scores import Score
from trulens_core.passes.layer_tables import shallow, table_of, tree_of
from trulens_core.passes.names import Layer
from trulens_core.testing import small_image_model, small_model

EVIL = "<script>alert(1)</script>"


class Evil(QoI):
    __doc__ = EVIL

    def __call__(self, y):
        return y[:, 0]

    def __repr__(self):
        return EVIL


def evaluated():
    scores = {
        name: {
            "Deletion": Score("Deletion", np.array(values), "lower"),
            EVIL: Score(EVIL, np.array(values), None),
        }
        for name, values in {"ig": [1.0, 1.2], "saliency": [3.0, 2.0], "noise": [5.0, 4.0]}.items()
    }
    agree = ["ig", "saliency"], np.eye(2), np.zeros((2, 2))
    return Evaluation(scores, ("Deletion", EVIL), ("noise",), agree)


def shown_things():
    model, _ = small_model()
    images, _ = small_image_model()
    wrapper = get_model_wrapper(model)
    return {
        "wrapper": wrapper,
        "ig": IntegratedGradients(wrapper),
        "cam": GradCAM(images, "relu2"),
        "lrp": LRP(wrapper),
        "shap": KernelSHAP(wrapper),
        "qoi": ClassQoI(1) - ClassQoI(2),
        "doi": LinearDoi(resolution=3),
        "point": PointDoi(),
        "evil": Evil(),
        "evaluation": evaluated(),
        "cost": IntegratedGradients(wrapper).cost(small_model()[1]),
    }


@pytest.fixture(scope="module")
def things():
    return shown_things()


@pytest.mark.parametrize("name", sorted(shown_things()))
def test_a_notebook_shows_it_as_what_it_is(name, things):
    page = things[name]._repr_html_()
    assert page.isascii()
    assert "<script" not in page
    assert type(things[name]).__name__ in page or name == "wrapper"
    tags = re.findall(r"<(/?)(\w+)", page)
    opened = []
    for end, tag in tags:
        if end:
            assert opened.pop() == tag
        else:
            opened.append(tag)
    assert opened == []
    assert "color:" not in page  # the page's own ink, on light and dark


def test_a_method_says_its_parts(things):
    page = things["ig"]._repr_html_()
    for part in ("ReferenceModel on reference", "MaxClassQoI", "LinearDoi", "Mean", "slice"):
        assert part in page
    assert "rules" not in page
    assert "rules" in things["lrp"]._repr_html_()
    assert "the point first" not in things["point"]._repr_html_()


LAYERS = [
    Layer("stem", "Conv2d", (8, 4, 4), parameters=1800),
    Layer("body", "Sequential", parameters=30),
    Layer("body.0", "Block", parameters=30),
    Layer("body.0.conv", "Conv2d", (None, 4, 4), calls=2, parameters=30),
    Layer("head/dense", "Dense"),
    Layer("head/relu", "ReLU"),
]


def test_an_evaluation_says_the_best_and_who_leads(things):
    page = things["evaluation"]._repr_html_()
    assert page.count("<tr>") == 4 + 3
    assert "<b>1.1 &#177; 0.1</b>" in page
    assert 'opacity:0.7">noise' in page
    assert "Deletion: ig leads saliency by" in page
    assert "how much they agree" in page


def test_layers_fold_to_a_depth():
    one = shallow(LAYERS, 1)
    assert [(x.name, x.kind) for x in one] == [
        ("stem", "Conv2d"),
        ("body", "Sequential, 2 inside"),
        ("head", "2 inside"),
    ]
    assert [x.name for x in shallow(LAYERS, 2)][2:] == ["body.0", "head/dense", "head/relu"]
    assert shallow(LAYERS, 3) == LAYERS
    table = table_of("Model", "torch", LAYERS, 1).splitlines()
    assert table[0] == "Model on torch, 6 layers"
    assert table[2].split() == ["stem", "Conv2d", "8×4×4", "1,800"]
    assert table[3].endswith("   30")
    with pytest.raises(ValueError, match="depth is 0; it must be at least 1"):
        shallow(LAYERS, 0)


def test_a_tree_unfolds_where_there_is_much():
    assert tree_of("Model", "torch", LAYERS).count("<details open>") == 3
    many = [*LAYERS, *(Layer(f"tail.{i}", "Linear") for i in range(20))]
    page = tree_of("Model", "torch", many)
    assert page.count("<details>") == 4
    assert page.count("<code>") == len(many) + 2  # head and tail are no layers of their own


def test_a_cost_is_known_before_the_call():
    model, x = small_model()
    method = IntegratedGradients(model, resolution=400, rebatch_size=50)
    before = method.attributions(x)
    cost = method.cost(x)
    assert (cost.rows, cost.passes, cost.rows_per_pass) == (800, 16, 50)
    assert cost.bytes == 2 * 50 * x[0].nbytes
    assert 0 < cost.seconds < 60
    assert re.fullmatch(
        r"Cost\(800 rows in 16 passes of 50, about .* s, points .* MiB\)", repr(cost)
    )
    np.testing.assert_array_equal(method.attributions(x), before)
    one = IntegratedGradients(model, resolution=4).cost(x)
    assert (one.rows, one.passes) == (8, 1)
    masks = KernelSHAP(model, samples=64).cost(x)
    n = KernelSHAP(model, samples=64).explain(x).n_evaluations
    assert masks.rows == n.sum()
    assert masks.bytes % x[0].nbytes == 0
    open_end = IntegratedGradients(model, tolerance=0.01).cost(x)
    assert open_end.rows is open_end.seconds is None
    assert repr(open_end).startswith("Cost(passes of ")


def test_only_two_passes_are_made():
    model, x = small_model()
    seen = []

    def score(y):
        seen.append(y.shape)
        return y[:, 0]

    IntegratedGradients(model, resolution=1000, rebatch_size=10, qoi=score).cost(x)
    assert 0 < len(seen) < 20


def test_noise_costs_what_it_takes():
    model, x = small_model()
    found = trulens_core.SmoothGrad(model, resolution=30, rebatch_size=6).cost(x)
    assert found.rows == 60
    assert GaussianDoi(1.0, 30).n_points == 30
