"""Several records in one narrow pass, where what comes after the cut has values of the records."""

import runpy
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from trulens_core import Cut, InternalInfluence, LinearDoi, get_model_wrapper
from trulens_core.testing import relative_error
from trulens_torch.graphs import Graphs

MODELS = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("widened_models.py"))))
HELP, WIDTH = MODELS.HELP, MODELS.WIDTH
Recorder = runpy.run_path(str(Path(__file__).with_name("recorded.py")))["Recorder"]
CUT = "layers.1"


def records(n, steps=5):
    """Records of different lengths: a mask is true where a record has ended."""
    x = HELP.vectors(n, steps, WIDTH)
    ends = torch.tensor([steps - i % (steps - 2) for i in range(n)])
    return x, torch.arange(steps)[None] >= ends[:, None]


def asked(wrapper, cut=CUT, **options):
    return HELP.method(wrapper, cut, **{"rows": None, **options})


def full(kind, *inputs, cut=CUT):
    return asked(get_model_wrapper(HELP.built(kind), skip_prefix=False), cut).attributions(*inputs)


def by_hand(model, cut, *inputs):
    """Each record alone, a point at a time, by a hook at the cut."""
    return torch.cat([_of_one(model, cut, *(t[i : i + 1] for t in inputs)) for i in range(3)])


def _of_one(model, cut, *inputs):
    layer, held = model.get_submodule(cut), []
    handle = layer.register_forward_hook(lambda m, i, o: held.append(o.detach()))
    model(*inputs)
    handle.remove()
    z, total = held[0], 0
    for a in torch.linspace(0, 1, 7, dtype=z.dtype):
        point = (0.25 + a * (z - 0.25)).requires_grad_()
        handle = layer.register_forward_hook(lambda m, i, o, point=point: point)
        total = total + torch.autograd.grad(model(*inputs).max(), point)[0]
        handle.remove()
    return total / 7 * (z - 0.25)


def same(a, b):
    return torch.allclose(a, b, rtol=1e-12, atol=1e-14)


class Watched:
    """A model explained four times, of which each pass's rows at the stem are seen."""

    def __init__(self, kind, *inputs, cut=CUT, stem="stem"):
        self.model, self.rows, self.inputs = HELP.built(kind), [], inputs
        layer = self.model.get_submodule(stem)
        forward = layer.forward

        def counted(x, *args, **kwargs):
            self.rows.append(len(x))
            return forward(x, *args, **kwargs)

        layer.forward = counted
        self.method = asked(get_model_wrapper(self.model), cut)
        self.found = [self.again() for _ in range(4)]

    def again(self, *inputs):
        self.rows.clear()
        return self.method.attributions(*(inputs or self.inputs))


TOGETHER = [
    "Masked",
    "ByName",
    "Written",
    "OneRead",
    "PerStep",
    "Checkpointed",
    "CheckpointedAround",
]
APART = ["WrittenBetween", "Between", "InLists", "Prototypes"]


@pytest.mark.parametrize("name", [*TOGETHER, *APART, "Branching"])
def test_equal(name):
    """What can be done for all records at once is, and the numbers are those of each alone."""
    kind, given = getattr(MODELS, name), records(3)
    watched = Watched(kind, *given)
    assert watched.rows == ([1, 1, 1] if name in APART else [3])
    expected = full(kind, *given)
    assert all(same(f, expected) for f in watched.found)
    assert same(by_hand(HELP.built(kind), CUT, *given), expected)


def test_one_layer_before_and_after_the_cut():
    watched = Watched(MODELS.Shared, *records(3))
    assert watched.rows == [3]
    assert all(same(f, full(MODELS.Shared, *records(3))) for f in watched.found)


def test_computed_again_before_and_after_the_cut():
    """It cannot be told which call is computed again: not done."""
    watched = Watched(MODELS.CheckpointedShared, *records(3))
    assert watched.rows[0] == 1
    assert all(same(f, full(MODELS.CheckpointedShared, *records(3))) for f in watched.found)


def test_the_encoder_of_pytorch():
    cut, given = "encoder.layers.1", records(3)
    watched = Watched(MODELS.Padded, *given, cut=cut, stem="encoder.layers.0.norm1")
    assert watched.rows == [3]
    assert all(same(f, full(MODELS.Padded, *given, cut=cut)) for f in watched.found)


@pytest.mark.parametrize("steps", [3, 4, 6, 21])
@pytest.mark.parametrize("name", ["Masked", "ByName", "PerStep", "Prototypes"])
def test_as_many_records_as_something_else(name, steps):
    """As steps, as prototypes, as a layer is wide; as many steps as rows of all points."""
    kind, given = getattr(MODELS, name), records(min(steps, 6), steps)
    assert all(same(f, full(kind, *given)) for f in Watched(kind, *given).found)


def test_a_table_looked_up_by_how_many_rows_there_are():
    """Of the rows of all points it gives something else, and each record goes alone."""
    kind, given = MODELS.Table, records(3)
    expected = by_hand(HELP.built(kind), CUT, *given)
    assert all(same(f, expected) for f in Watched(kind, *given).found)


@pytest.mark.parametrize("name", ["Masked", "Gathered", "Nearest", "WrittenBetween", "Between"])
def test_padding_after_calls_without(name):
    """What a mask does cannot be seen in a batch without padding, and is looked at where it is."""
    kind, (x, ended) = getattr(MODELS, name), records(3)
    ended[:, -1] = True  # of each, so that each goes the same way alone
    method = asked(get_model_wrapper(HELP.built(kind)))
    for mask in (*[torch.zeros_like(ended)] * 3, *[ended] * 3, ended.flip(0)):
        expected = by_hand(HELP.built(kind), CUT, x, mask)
        assert same(method.attributions(x, mask), expected)


@pytest.mark.parametrize("points", [2, 3, 4])
def test_few_points(points):
    """Not the first one is looked at, whose rows stand where the records' would."""

    class Overwritten(MODELS.Masked):
        def forward(self, x, mask):
            x = self.layers[1](torch.tanh(self.stem(x)), mask).clone()
            x[torch.arange(len(mask)), 0] = 0.5
            return self.head(self.layers[2](x, mask).sum(1))

    def ask(**options):
        wrapper = get_model_wrapper(HELP.built(Overwritten), **options)
        return HELP.method(wrapper, CUT, points=points, rows=None).attributions(*records(3))

    assert same(ask(), ask(skip_prefix=False))


# -- what is kept ----------------------------------------------------------------------------


def test_later_calls_touch_the_layers_alone_that_needed_it():
    watched = Watched(MODELS.Masked, *records(3))
    hooked = []

    class Head(nn.Linear):
        def forward(self, x):
            hooked.extend(n for n, m in watched.model.named_modules() if m._forward_pre_hooks)
            return super().forward(x)

    watched.model.head.__class__ = Head
    watched.again(), watched.again(), watched.again()
    hooked.clear()
    watched.again()
    assert set(hooked) == {"layers.1", "layers.2", "layers.3"}  # the first is the cut
    assert not any(m._forward_pre_hooks for m in watched.model.modules())


def test_another_layer_that_needs_it_is_found():
    """The way was proved with one branch, and the next call takes the other: an error inside."""
    watched, expected = Watched(MODELS.Switched, *records(3)), {}
    assert watched.rows == [3]
    for other in (True, False):
        MODELS.SWITCH[0] = other
        expected[other] = full(MODELS.Switched, *records(3))
    assert not same(expected[True], expected[False])
    looked = (True, None)  # one record at a time, and twice for the padding of each
    for other, rows in ((False, [3]), looked, looked, (True, [1, 1, 1]), (False, [1, 1, 1])):
        MODELS.SWITCH[0] = other
        assert same(watched.again(), expected[other])
        assert rows in (None, watched.rows)


def attribute(model):
    model.other = True


@torch.no_grad()
def weights(model):
    model.layers[2].mix.weight.mul_(-2)


def replaced(model):
    model.layers[2] = HELP.built(MODELS.Layer)


def hook(model):
    model.layers[2].register_forward_hook(lambda m, i, o: o * i[1].sum(1)[:, None, None])


def same_model(model):
    del model


CHANGES = [
    (attribute, records(3)),
    (weights, records(3)),
    (replaced, records(3)),
    (hook, records(3)),
    (same_model, records(5)),
    (same_model, records(3, 4)),
    (same_model, (records(3)[0], records(3)[1].flip(0))),
    (same_model, (records(3)[0], ~records(3)[1])),
]


@pytest.mark.parametrize(("change", "given"), CHANGES)
def test_equal_to_a_wrapper_that_knows_nothing(change, given):
    """Whatever changes after a way was proved."""
    watched = Watched(MODELS.Branching, *records(3))
    change(watched.model)
    fresh = asked(get_model_wrapper(watched.model, skip_prefix=False)).attributions(*given)
    assert all(same(watched.again(*given), fresh) for _ in range(3))


def test_another_cut_and_another_type():
    watched, (x, mask) = Watched(MODELS.Branching, *records(3)), records(3)
    cut = Cut("layers.0", anchor="in", accessor=lambda v: v.args[0])
    plain = get_model_wrapper(watched.model, skip_prefix=False)
    other = asked(watched.method.model, cut)
    for _ in range(3):
        assert same(other.attributions(x, mask), asked(plain, cut).attributions(x, mask))
        assert same(watched.again(), watched.found[0])
    watched.model.float()
    for _ in range(3):
        expected = asked(plain).attributions(x.float(), mask)
        assert relative_error(watched.again(x.float(), mask), expected) < 1e-5


def test_an_error_in_the_middle_leaves_no_hook():
    watched = Watched(MODELS.Masked, *records(3))

    class Failing(nn.Linear):
        def forward(self, x):
            raise KeyboardInterrupt

    watched.model.head.__class__ = Failing
    with pytest.raises(KeyboardInterrupt):
        watched.again()
    assert not any(m._forward_pre_hooks for m in watched.model.modules())
    watched.model.head.__class__ = nn.Linear
    assert same(watched.again(), watched.found[0])


def test_another_thread_that_uses_the_model():
    """It is given what it gives, though it has as many records."""
    watched, (x, mask) = Watched(MODELS.Masked, *records(3)), records(3)
    with torch.no_grad():
        expected, found = watched.model(x, mask), []

    class Head(nn.Linear):
        def forward(self, z):
            if threading.current_thread() is threading.main_thread() and len(z) > 3:
                other = threading.Thread(target=lambda: found.append(watched.model(x, mask)))
                other.start()
                other.join()
            return super().forward(z)

    watched.model.head.__class__ = Head
    for _ in range(3):
        assert same(watched.again(), watched.found[0])
    assert found
    assert all(same(f, expected) for f in found)


# -- other questions -------------------------------------------------------------------------


def test_blocks_of_several_sizes():
    """Seven points in blocks of three, the last one shorter."""
    wrapper = get_model_wrapper(HELP.built(MODELS.Masked))
    expected = full(MODELS.Masked, *records(3))
    for rows in (9, 12, 6, 9):
        assert same(asked(wrapper, rows=rows).attributions(*records(3)), expected)


@pytest.mark.parametrize("target", ["layers.2", Cut("layers.3", anchor="in"), "layers.3.mix"])
def test_other_targets(target):
    """At what a layer is given, too: all floating tensors there are for all points."""

    def ask(**options):
        wrapper = get_model_wrapper(HELP.built(MODELS.ByName), **options)
        return InternalInfluence(wrapper, (CUT, target), total, LinearDoi(resolution=4, cut=CUT))

    def total(y):
        held = y if isinstance(y, list) else [y]
        return sum((t * len(t.shape)).sum((1, 2)) for t in held)

    method, plain = ask(), ask(skip_prefix=False)
    for _ in range(3):
        assert same(method.attributions(*records(3)), plain.attributions(*records(3)))


def test_conductance_of_a_later_layer():
    def ask(**options):
        wrapper = get_model_wrapper(HELP.built(MODELS.Masked), **options)
        return InternalInfluence(
            wrapper, ("layers.2", None), 1, LinearDoi(resolution=5, cut=CUT), statistic="path"
        )

    method, plain = ask(), ask(skip_prefix=False)
    for _ in range(3):
        assert same(method.attributions(*records(3)), plain.attributions(*records(3)))


GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=GPU)])
@pytest.mark.parametrize("rows", [None, 14])
def test_recorded(device, rows):
    """As a CUDA graph, or by what stands in for it, with other masks each time."""
    model, recorder = HELP.built(MODELS.ByName).to(device), Recorder()
    wrapper = get_model_wrapper(model, graphs=True)
    if device == "cpu":
        wrapper._graphs = Graphs(recorder)
    plain = asked(get_model_wrapper(model, skip_prefix=False))
    method, (x, mask) = asked(wrapper, rows=rows), (t.to(device) for t in records(3))
    for i in range(8):
        given = x + i, mask.roll(i // 2, 0)
        found, expected = method.attributions(*given), plain.attributions(*given)
        assert torch.allclose(found, expected, rtol=1e-12 if device == "cpu" else 1e-9, atol=1e-14)
    assert device != "cpu" or recorder.replayed > 0
