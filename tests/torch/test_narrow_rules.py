"""Which rows a model is given before a cut, when that is proved, and when it is not done."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional

from trulens_core import (
    ClassQoI,
    Cut,
    GaussianDoi,
    InputAttribution,
    IntegratedGradients,
    LinearDoi,
    get_model_wrapper,
)
from trulens_torch.watching import CheckedIndices

HELP = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("narrow_models.py"))))
WIDTH, built, dense, method, vectors = (
    getattr(HELP, n) for n in ("WIDTH", "built", "dense", "method", "vectors")
)
ONE, THREE = vectors(1, WIDTH), vectors(3, WIDTH)


class Net(nn.Module):
    """A stem of two layers, the cut, a head."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(dense(), nn.Tanh(), nn.Dropout(0.5))
        self.cut, self.head = dense(), dense(WIDTH, 3)

    def forward(self, x):
        return self.head(torch.tanh(self.cut(self.stem(x))))


def rows_of(model, name="stem"):
    """The rows of each call of a layer; counted inside forward, where no hook is."""
    layer, seen = model.get_submodule(name), []
    forward = layer.forward

    def counted(x):
        seen.append(len(x))
        return forward(x)

    layer.forward = counted
    return seen


def settled(model, ask=method, x=ONE, **options):
    """The rows of the stem in an explanation after two that looked closer, and the explanation."""
    seen = rows_of(model)
    asked = ask(get_model_wrapper(model, **options), "cut")
    asked.attributions(x), asked.attributions(x)
    seen.clear()
    return seen, asked.attributions(x)


def full(kind=Net, ask=method, x=ONE, cut="cut"):
    return ask(get_model_wrapper(built(kind), skip_prefix=False), cut).attributions(x)


def same(a, b):
    return torch.allclose(a, b, rtol=1e-12, atol=1e-14)


def wide(wrapper, cut):
    """All points of a record fit one pass."""
    return method(wrapper, cut, rows=8)


# -- how many rows ---------------------------------------------------------------------------


def test_all_points_in_one_pass():
    seen, found = settled(built(Net), wide)
    assert seen == [1]
    assert same(found, full())


def test_blocks_begin_with_the_records():
    """Seven points in blocks of three: narrow passes, the first of which gives the cut's value."""
    seen, found = settled(built(Net))
    assert seen == [1, 1, 1]
    assert same(found, full())


def test_records_go_in_groups_whose_points_fit():
    seen, found = settled(built(Net), lambda w, c: method(w, c, rows=15), THREE)
    assert seen == [2, 1]
    assert same(found, full(x=THREE))


def test_without_a_limit_of_rows_all_records_go_together():
    seen, found = settled(built(Net), lambda w, c: method(w, c, rows=None), THREE)
    assert seen == [3]
    assert same(found, full(x=THREE))


def test_a_quantity_of_the_callers_sees_all_records():
    """It may hold data of all of them."""
    held = torch.arange(3.0, dtype=torch.float64)
    sizes = []

    def own(y):
        sizes.append(len(y))
        return y[:, 0] * held.repeat(len(y) // 3)

    def ask(wrapper, cut):
        return InputAttribution(wrapper, qoi=own, doi_cut=cut, doi=LinearDoi(resolution=4))

    seen, found = settled(built(Net), ask, THREE)
    assert seen == [3]
    assert set(sizes) <= {3, 12}
    assert same(found, full(ask=ask, x=THREE))


def test_off_switch():
    seen, found = settled(built(Net), skip_prefix=False)
    assert seen == [3, 3, 1]
    assert same(found, full())


def test_the_input_has_nothing_before_it():
    model = built(Net)
    seen = rows_of(model)
    IntegratedGradients(model, resolution=4, rebatch_size=2).attributions(ONE)
    assert seen == [2, 1, 2, 1][: len(seen)] or max(seen) == 2


def test_every_distribution_with_points_at_an_inner_cut():
    def noise(wrapper, cut):
        return InputAttribution(wrapper, doi_cut=cut, doi=GaussianDoi(0.1, 6), rebatch_size=6)

    seen, found = settled(built(Net), noise)
    assert seen == [1]
    assert same(found, full(ask=noise))


# -- proof -----------------------------------------------------------------------------------


def test_the_first_two_blocks_are_looked_at():
    """Each with one of its points alone; from then on nothing is computed twice."""
    model = built(Net)
    seen, counts = rows_of(model), []
    asked = wide(get_model_wrapper(model), "cut")
    for _ in range(4):
        asked.attributions(ONE)
        counts.append(len(seen))
        seen.clear()
    assert counts == [2, 2, 1, 1]


def test_an_attribute_changed_after_the_proof_is_looked_at_anew():
    class Switched(Net):
        mean = False

        def __init__(self):
            super().__init__()
            self.mean = False

        def forward(self, x):
            y = self.stem(x)
            z = self.head(torch.tanh(self.cut(y)))
            return z + y[:, :3].mean(0) * z if self.mean else z

    model = built(Switched)
    asked = wide(get_model_wrapper(model), "cut")
    for _ in range(3):
        asked.attributions(ONE)
    model.mean = True
    other = built(Switched)
    other.mean = True
    expected = wide(get_model_wrapper(other, skip_prefix=False), "cut").attributions(ONE)
    for _ in range(3):
        assert same(asked.attributions(ONE), expected)


def test_a_hook_added_after_the_proof_is_looked_at_anew():
    model = built(Net)
    asked = wide(get_model_wrapper(model), "cut")
    for _ in range(3):
        asked.attributions(ONE)
    handle = model.head.register_forward_hook(lambda m, args, y: y / len(y))
    expected = wide(get_model_wrapper(model, skip_prefix=False), "cut")
    with pytest.warns(UserWarning, match="rows see one another"):
        found = asked.attributions(ONE)
    with pytest.warns(UserWarning, match="rows see one another"):
        assert same(found, expected.attributions(ONE))
    handle.remove()
    assert same(asked.attributions(ONE), full())


class Shapes(Net):
    """What comes after the cut uses values from before it: more than one record clash."""

    def forward(self, x):
        y = self.stem(x)
        return self.head(torch.tanh(self.cut(y)) * y)


class FirstRows(Net):
    """An index by the number of records: only some of the rows of a narrow pass are met."""

    def forward(self, x):
        z = torch.tanh(self.cut(self.stem(x)))
        z = z.index_add(0, torch.arange(len(x)), z.detach()[: len(x)] * 0 + x)
        return self.head(z)


class Cat(Net):
    def __init__(self):
        super().__init__()
        self.head = dense(2 * WIDTH, 3)

    def forward(self, x):
        y = self.stem(x)
        return self.head(torch.cat([torch.tanh(self.cut(y)), y], 1))


class Reshaped(Net):
    """The number of rows is taken from the input."""

    def forward(self, x):
        z = self.cut(self.stem(x)).view(len(x), -1)
        return self.head(torch.tanh(z[:, :WIDTH]))


class Masked(Net):
    """A mask made before the cut, of so many rows."""

    def forward(self, x):
        mask = (x > 0).double()
        return self.head(torch.tanh(self.cut(self.stem(x))) * mask)


class Selected(Net):
    """Rows from before the cut are chosen by places among those after it."""

    def forward(self, x):
        y = self.stem(x)
        z = torch.tanh(self.cut(y))
        return self.head(z + y.index_select(0, torch.arange(len(z))))


class EarlyExit(Net):
    """Some records leave before the head."""

    def forward(self, x):
        z = self.cut(self.stem(x))
        out = torch.zeros(len(x), 3, dtype=x.dtype)
        early = x[:, 0] > 0
        out[early] = torch.tanh(z[early])[:, :3]
        out[~early] = self.head(torch.tanh(z[~early]))
        return out


@pytest.mark.parametrize("kind", [Shapes, FirstRows, Cat, Reshaped, Masked, Selected, EarlyExit])
@pytest.mark.parametrize("x", [ONE, THREE, vectors(7, WIDTH)], ids=["1", "3", "as many as points"])
@pytest.mark.parametrize("rows", [7, 21, None])
def test_values_from_before_the_cut_that_are_used_after_it(kind, x, rows):
    def ask(wrapper, cut):
        return method(wrapper, cut, rows=rows)

    asked, expected = ask(get_model_wrapper(built(kind)), "cut"), full(kind, ask, x)
    for _ in range(3):
        assert same(asked.attributions(x), expected)


# -- what is not narrow ----------------------------------------------------------------------


def test_not_in_training_mode_on_purpose():
    """Each row draws its own dropout."""

    def drawn(**options):
        torch.manual_seed(3)
        model = built(Net).train()
        wrapper = get_model_wrapper(model, force_eval=False, **options)
        seen = rows_of(model)
        return seen, method(wrapper, "cut").attributions(ONE)

    (seen, found), (_, plain) = drawn(), drawn(skip_prefix=False)
    assert max(seen) == 3
    assert torch.equal(found, plain)


def test_not_where_the_model_draws_at_random():
    class Noisy(Net):
        def forward(self, x):
            y = functional.dropout(self.stem(x), 0.5, training=True)
            return self.head(torch.tanh(self.cut(y)) + y)

    torch.manual_seed(5)
    seen, found = settled(built(Noisy))
    assert max(seen) == 3
    torch.manual_seed(5)
    assert torch.equal(found, full(Noisy))


def test_one_of_several_calls():
    class Twice(Net):
        def forward(self, x):
            return self.head(self.cut(torch.tanh(self.cut(self.stem(x)))))

    cut = Cut("cut", call=1)
    asked = wide(get_model_wrapper(built(Twice)), cut)
    for _ in range(3):
        assert same(asked.attributions(ONE), full(Twice, wide, cut=cut))


INDEXED = {
    "index": lambda x, i: x[i],
    "pair": lambda x, i: x[:, i],
    "gather": lambda x, i: x.gather(0, i[:, None]),
    "index_select": lambda x, i: x.index_select(0, i),
    "scatter": lambda x, i: x.scatter(0, i[:, None], 1.0),
    "index_add": lambda x, i: x.index_add(0, i, x[: len(i)]),
    "index_put": lambda x, i: x.index_put((i,), x[0]),
    "embedding": lambda x, i: functional.embedding(i, x),
}


@pytest.mark.parametrize("function", INDEXED.values(), ids=INDEXED)
def test_an_index_out_of_range_is_an_error_before_the_operation_runs(function):
    """On a GPU it would end the process's context."""
    x = torch.arange(9.0).view(3, 3)
    with CheckedIndices():
        assert torch.equal(function(x, torch.tensor([2, 0])), function(x, torch.tensor([2, 0])))
        with pytest.raises(IndexError, match="out of range for 3 rows"):
            function(x, torch.tensor([0, 3]))


def test_masks_are_no_indices():
    x = torch.arange(4.0)
    with CheckedIndices():
        assert len(x[x > 1]) == 2


def test_an_error_of_the_model_is_its_own():
    class Fails(Net):
        def forward(self, x):
            self.cut(self.stem(x))
            raise KeyError("after the cut")

    with pytest.raises(KeyError, match="after the cut"):
        wide(get_model_wrapper(built(Fails)), "cut").attributions(ONE)


def test_a_wrong_class_is_told_as_ever():
    asked = IntegratedGradients(built(Net), doi_cut="cut", qoi=ClassQoI(7))
    with pytest.raises(IndexError, match="7"):
        asked.attributions(ONE)


def test_a_quantity_before_the_cut_is_the_same_error():
    for skip in (True, False):
        wrapper = get_model_wrapper(built(Net), skip_prefix=skip)
        asked = IntegratedGradients(wrapper, doi_cut="cut", qoi_cut="stem.0", rebatch_size=9)
        with pytest.raises(ValueError, match="does not depend on the value"):
            asked.attributions(ONE)
