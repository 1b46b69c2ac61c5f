"""Methods without gradients, JAX beside PyTorch: what differs by record, tensor or cut."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from jax import enable_x64

from trulens_core import (
    LIME,
    Ablation,
    ClassQoI,
    Cut,
    GradCAM,
    InputCut,
    KernelSHAP,
    Marginal,
    ScoreCAM,
    Segments,
    ShapleyValues,
    Sobol,
    get_model_wrapper,
)
from trulens_core.distributions import Design, Masks
from trulens_core.perturbation.method import Perturbation
from trulens_core.perturbation.solvers import Difference
from trulens_jax import tap

R = np.random.default_rng(0)
W = {k: R.normal(size=s) for k, s in {"a": (6, 8), "b": (4, 8), "out": (8, 4)}.items()}
K, D = R.normal(size=(3, 3, 2, 4)) / 3, R.normal(size=(4, 3))
X, Y, IMAGES = R.normal(size=(4, 6)), R.normal(size=(4, 4)), R.normal(size=(3, 6, 6, 2))
X[1, 2], X[3] = 0, 0
ROWS, OTHERS = R.normal(size=(40, 6)), R.normal(size=(40, 4))
# records with four, four, one and two segments, some with elements in none
RAGGED = Segments.of(
    np.array([[0, 0, 1, 1, 2, 3], [0, 1, 2, 3, 3, -1], [5] * 6, [0, 1, 0, 1, -1, -1]])
)
OVER = np.zeros((4, 3, 6), bool)
OVER[:, 0, :3] = OVER[:, 1, 2:5] = OVER[:, 2, 5:] = True
OVER[2, 1] = [1, 0, 0, 0, 0, 1]
OVER = Segments.of(OVER)


class Pair(torch.nn.Module):
    """Two tensors in, a cut that holds two."""

    def __init__(self):
        super().__init__()
        self.w = torch.nn.ParameterDict({k: torch.tensor(v) for k, v in W.items()})
        self.pair, self.h = torch.nn.Identity(), torch.nn.Identity()

    def forward(self, x, y):
        x = torch.nan_to_num(x, nan=-0.3)
        a, b = self.pair((torch.tanh(x @ self.w["a"]), torch.tanh(y @ self.w["b"])))
        return self.h(a * b + a) @ self.w["out"]


def pair(p, x, y):
    x = jnp.nan_to_num(x, nan=-0.3)
    a, b = tap((jnp.tanh(x @ p["a"]), jnp.tanh(y @ p["b"])), "pair")
    return tap(a * b + a, "h") @ p["out"]


class Image(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.k = torch.nn.Parameter(torch.tensor(K.transpose(3, 2, 0, 1)))
        self.d, self.maps = torch.nn.Parameter(torch.tensor(D)), torch.nn.ReLU()

    def forward(self, x):
        h = self.maps(torch.nn.functional.conv2d(x, self.k, padding=1))
        return torch.tanh(h.mean((2, 3))) @ self.d


def image(p, x):
    lay = ("NHWC", "HWIO", "NHWC")
    h = jax.lax.conv_general_dilated(x, p["k"], (1, 1), "SAME", dimension_numbers=lay)
    h = tap(jax.nn.relu(h), "maps")
    return jnp.tanh(h.mean((1, 2))) @ p["d"]


@pytest.fixture(scope="module")
def models():
    with enable_x64(True):
        jaxs = {k: jnp.asarray(v) for k, v in {**W, "k": K, "d": D}.items()}
        yield {
            "pair": (
                get_model_wrapper(Pair()),
                get_model_wrapper(pair, backend="jax", params=jaxs),
            ),
            "image": (
                get_model_wrapper(Image()),
                get_model_wrapper(image, backend="jax", params=jaxs),
            ),
        }


class Neighbours(Design):
    """All; then all but two in a row: a design of one's own."""

    random = False

    def masks(self, regions, drawn):
        return WithoutTwo(regions[0].n, regions[0].n + 1)


class WithoutTwo(Masks):
    def __call__(self, i, j):
        first = np.arange(i, j)[:, None] - 1
        at = np.arange(self.n_segments)
        return (first < 0) | ((at != first) & (at != (first + 1) % self.n_segments))


class LeftOut(Perturbation):
    def _recipe(self):
        return Neighbours(), Difference


SECOND = InputCut(accessor=lambda m: m.args[1])
FIRST = {"segments": [RAGGED, None]}
DRAWN = {"baseline": Marginal([ROWS, OTHERS]), "qoi": 1}
CASES = {
    "ragged": (ShapleyValues, {**FIRST, "samples": 6, "qoi": "predicted"}),
    "ragged, drawn rows": (KernelSHAP, {**FIRST, **DRAWN, "samples": 60}),
    "ragged, in parts": (Ablation, {**FIRST, "qoi": 1, "rebatch_size": 3}),
    "regions of each record": (Sobol, {"segments": [OVER, None], "samples": 8, "qoi": 1}),
    "missing": (LIME, {"baseline": [np.nan, 0.5], "samples": 60, "qoi": 1}),
    "drawn rows": (ShapleyValues, {**DRAWN, "samples": 6}),
    "a tolerance": (ShapleyValues, {**DRAWN, **FIRST, "tolerance": 0.2, "max_samples": 80}),
    "a design of one's own": (LeftOut, {"segments": [OVER, None], "qoi": 1}),
    "one input": (KernelSHAP, {"doi_cut": SECOND, "samples": 60, "qoi": 1}),
    "a cut of two": (KernelSHAP, {"doi_cut": "pair", "samples": 90, "qoi": ClassQoI([2, 0, 1, 3])}),
    "one of a cut": (Ablation, {"doi_cut": Cut("pair", accessor=lambda z: z[1]), "qoi": 1}),
}
FIELDS = ("attributions", "standard_error", "quantity", "baseline_quantity", "residual")


def same(now, then):
    """To 1e-10 of the largest; of residuals, which may be rounding, to 1e-12."""
    assert type(now) is type(then)
    if isinstance(now, list | tuple):
        for a, b in zip(now, then, strict=True):
            same(a, b)
    elif now is not None:
        assert np.shape(now) == np.shape(then)
        assert np.max(np.abs(now - then), initial=0) <= 1e-10 * max(0.01, np.max(np.abs(then)))


@pytest.mark.filterwarnings("ignore:.*do not meet tolerance")
@pytest.mark.parametrize("name", CASES)
def test_it_gives_what_pytorch_gives(models, name):
    kind, options = CASES[name]
    expected, found = (kind(m, **options).explain(X, Y) for m in models["pair"])
    for field in FIELDS:
        same(getattr(found, field), getattr(expected, field))
    assert (found.n_evaluations == expected.n_evaluations).all()
    assert found.converged is None or (found.converged == expected.converged).all()


@pytest.mark.parametrize("kind", ["gradcam", "gradcam++", "xgradcam", "score", "score of half"])
def test_maps_of_images_with_channels_last_are_those_with_channels_first(models, kind):
    """Two channels: nothing but the layer's axis tells where a function's images have them."""
    first, last = models["image"]
    more = {"kind": kind}
    if kind.startswith("score"):
        more = {} if kind == "score" else {"baseline": 0.5, "rebatch_size": 4}
    method = ScoreCAM if kind.startswith("score") else GradCAM
    expected = method(first, "maps", qoi=1, **more).attributions(IMAGES.transpose(0, 3, 1, 2))
    found = method(last, "maps", qoi=1, channel_axis=-1, **more).attributions(IMAGES)
    assert np.max(np.abs(expected)) > 0.01
    same(found, expected.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("segments", [(Segments.grid, 2), (Segments.windows, 3)])
def test_parts_of_images_too(models, segments):
    make, size = segments
    first, last = (
        KernelSHAP(m, make(size, channel_axis=axis), samples=90, qoi=1)
        for m, axis in zip(models["image"], (1, -1), strict=True)
    )
    expected, found = first.explain(IMAGES.transpose(0, 3, 1, 2)), last.explain(IMAGES)
    for field in ("attributions", "standard_error"):
        same(getattr(found, field), getattr(expected, field).transpose(0, 2, 3, 1))
