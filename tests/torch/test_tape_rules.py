"""What is left out, what is not, and that nothing is left behind."""

import copy
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional

from trulens_core import Cut, GaussianDoi, InputAttribution, IntegratedGradients, get_model_wrapper
from trulens_torch import storage

HELP = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("tape_models.py"))))
WIDTH, built, calls_of, dense, method, vectors = (
    getattr(HELP, n) for n in ("WIDTH", "built", "calls_of", "dense", "method", "vectors")
)


GAUSS = "gauss-legendre"  # 64 points are exact


class Net(nn.Module):
    """A stem of two layers, the cut, a head."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(dense(), nn.Tanh(), nn.Dropout(0.5))
        self.cut, self.head = dense(), dense(WIDTH, 3)

    def forward(self, x):
        return self.head(torch.tanh(self.cut(self.stem(x))))


def counted(kind=Net, cut="cut", x=None, ask=method, **options):
    """How often each layer runs in a second explanation, and the explanation."""
    model = built(kind)
    asked = ask(get_model_wrapper(model, **options), cut)
    asked.attributions(x if x is not None else vectors(1, WIDTH))
    counts = calls_of(model)
    return counts, asked.attributions(x if x is not None else vectors(1, WIDTH))


def full(kind=Net, cut="cut", x=None, ask=method, **options):
    wrapper = get_model_wrapper(built(kind), skip_prefix=False, **options)
    return ask(wrapper, cut).attributions(x if x is not None else vectors(1, WIDTH))


# -- when there is a tape --------------------------------------------------------------------


def test_the_prefix_runs_once():
    counts, found = counted()
    assert counts["stem"] == counts["stem.0"] == counts["cut"] == 1
    assert counts["head"] == 3
    assert torch.equal(found, full())


def test_first_use_runs_it_once_more_and_compares():
    model = built(Net)
    counts = calls_of(model)
    wrapper = get_model_wrapper(model)
    method(wrapper, "cut", points=6).attributions(vectors(1, WIDTH))
    assert counts["stem"] == 2
    method(wrapper, "cut", points=6).attributions(2 * vectors(1, WIDTH))
    assert counts["stem"] == 3


def test_what_was_proved_is_for_that_signature():
    """Another number of records or of points per block is compared anew, once."""
    model = built(Net)
    counts = calls_of(model)
    wrapper = get_model_wrapper(model)

    def runs(records, rows):
        before = counts["stem"]
        method(wrapper, "cut", points=6, rows=rows).attributions(vectors(records, WIDTH))
        return counts["stem"] - before

    assert [runs(1, 3), runs(1, 3)] == [2, 1]
    assert [runs(1, 2), runs(1, 2)] == [2, 1]
    assert [runs(2, 4), runs(2, 4)] == [2, 1]
    assert runs(2, 2) == 1  # a point a block: nothing repeats
    assert len(wrapper._prefix._known) == 3


def test_the_baseline_is_evaluated_without_the_prefix():
    model = built(Net)
    counts = calls_of(model)
    asked = IntegratedGradients(model, None, 64, "cut", qoi=0, rule=GAUSS, rebatch_size=1)
    asked.explain(vectors(1, WIDTH))
    assert counts["stem"] == 1
    assert counts["head"] == 64 + 2


def test_off_switch():
    counts, _ = counted(skip_prefix=False)
    assert counts["stem"] == 4


def test_no_tape_for_a_distribution_at_the_input():
    model = built(Net)
    counts = calls_of(model)
    IntegratedGradients(model, resolution=4, rebatch_size=2).attributions(vectors(1, WIDTH))
    assert counts["stem"] == 2


def test_no_tape_for_a_single_point():
    def point(wrapper, cut):
        return InputAttribution(wrapper, doi_cut=cut)

    counts, found = counted(ask=point)
    assert counts["stem"] == 1
    assert torch.equal(found, full(ask=point))


def test_no_tape_in_training_mode_on_purpose():
    """Each block draws its own dropout."""

    def drawn(**options):
        torch.manual_seed(3)
        model = built(Net).train()
        counts = calls_of(model)
        wrapper = get_model_wrapper(model, force_eval=False, **options)
        return counts, method(wrapper, "cut").attributions(vectors(1, WIDTH))

    (counts, taped), (_, plain) = drawn(), drawn(skip_prefix=False)
    assert counts["stem.2"] == 4
    assert torch.equal(taped, plain)


def test_no_tape_for_one_of_several_calls():
    class Twice(Net):
        def forward(self, x):
            return self.head(self.cut(torch.tanh(self.cut(self.stem(x)))))

    counts, found = counted(Twice, Cut("cut", call=1))
    assert counts["stem"] == 4
    assert torch.equal(found, full(Twice, Cut("cut", call=1)))


def test_no_tape_where_the_prefix_draws_at_random():
    class Noisy(Net):
        def forward(self, x):
            y = functional.dropout(self.stem(x), 0.5, training=True)
            return self.head(torch.tanh(self.cut(y)) + y)

    torch.manual_seed(5)
    counts, found = counted(Noisy)
    assert counts["stem"] == 4
    torch.manual_seed(5)
    assert torch.equal(found, full(Noisy))


def test_every_distribution_with_points_at_an_inner_cut():
    def noise(wrapper, cut):
        return InputAttribution(wrapper, doi_cut=cut, doi=GaussianDoi(0.1, 6), rebatch_size=2)

    counts, found = counted(ask=noise)
    assert counts["stem"] == 1
    assert torch.equal(found, full(ask=noise))


def test_without_functions_in_torch_that_tell_who_holds_memory(monkeypatch):
    monkeypatch.setattr(storage, "_use_count", None)
    counts, found = counted()
    assert counts["stem"] == 1
    assert torch.equal(found, full())


# -- what is run all the same ----------------------------------------------------------------


def test_modules_that_hold_hooked_ones_are_run():
    model = built(Net)
    seen, own = [], []
    model.stem[0].register_forward_hook(lambda *_: seen.append(1))
    model.cut.register_forward_hook(lambda *_: own.append(1))
    counts = calls_of(model)
    asked = method(get_model_wrapper(model), "cut")
    asked.attributions(vectors(1, WIDTH))
    seen.clear(), own.clear(), counts.update(dict.fromkeys(counts, 0))
    found = asked.attributions(vectors(1, WIDTH))
    assert counts["stem"] == 4
    assert counts["stem.0"] == counts["stem.1"] == 1  # inside, modules are left out
    assert len(seen) == len(own) == 4
    assert torch.equal(found, full())


def test_hooks_that_change_outputs_are_applied_once_each_time():
    class Changed(Net):
        def __init__(self):
            super().__init__()
            self.stem.register_forward_hook(lambda m, a, out: out.mul_(2.0))
            self.stem.register_forward_pre_hook(lambda m, a: (a[0] + 1.0,))

    counts, found = counted(Changed)
    assert counts["stem"] <= 2
    assert torch.equal(found, full(Changed))


def test_outputs_with_a_graph_are_not_kept():
    class Graph(Net):
        """A tensor that is no parameter, so that freezing does not reach it."""

        def __init__(self):
            super().__init__()
            self.stem.register_forward_hook(lambda *_: None)
            self.stem[1].scale = torch.ones((), dtype=torch.float64, requires_grad=True)
            self.stem[1].forward = lambda x: torch.tanh(x) * self.stem[1].scale

    model = built(Graph)
    wrapper = get_model_wrapper(model)
    found = method(wrapper, "cut", rows=1).attributions(vectors(1, WIDTH))
    expected = method(get_model_wrapper(model, skip_prefix=False), "cut", rows=1)
    assert torch.equal(found, expected.attributions(vectors(1, WIDTH)))


def test_the_prefix_has_no_graph():
    """What is kept holds no graph, and so no earlier activations."""
    model = built(Net)
    wrapper = get_model_wrapper(model)
    inputs = wrapper.prepared(HELP.inputs(vectors(1, WIDTH)))[0]
    with wrapper.opened(inputs, Cut("cut")):
        wrapper.activations(inputs, [Cut("cut")])
        made = wrapper._prefix._group.tape.made()
        assert made
        assert not any(m.value.requires_grad for m in made)
    assert wrapper._prefix._group is None


def test_scripted_modules_are_run():
    class Scripted(Net):
        def __init__(self):
            super().__init__()
            self.stem[0] = torch.jit.trace(dense().eval(), torch.zeros(2, WIDTH))

    with pytest.warns(DeprecationWarning, match="trace"):
        model = built(Scripted)
    found = method(get_model_wrapper(model), "cut").attributions(vectors(1, WIDTH))
    expected = method(get_model_wrapper(model, skip_prefix=False), "cut")
    assert torch.equal(found, expected.attributions(vectors(1, WIDTH)))


def test_a_quantity_before_the_cut_is_the_same_error():
    model = built(Net)
    for skip in (True, False):
        wrapper = get_model_wrapper(model, skip_prefix=skip)
        asked = IntegratedGradients(wrapper, doi_cut="cut", qoi_cut="stem.0", rebatch_size=9)
        with pytest.raises(ValueError, match="does not depend on the value"):
            asked.attributions(vectors(1, WIDTH))


# -- what changes between evaluations --------------------------------------------------------


def test_changed_in_place_where_it_was_not_when_recorded():
    """A view of one row cannot be changed in place: the evaluation starts again with copies."""

    class Sometimes(Net):
        def forward(self, x):
            y = self.stem(x)
            if len(x) > 1:
                y += 1.0
                y -= 1.0
            return self.head(torch.tanh(self.cut(y)) + y)

    model = built(Sometimes)
    asked = method(get_model_wrapper(model), "cut", rows=2)
    expected = full(Sometimes, ask=lambda w, c: method(w, c, rows=2))
    for _ in range(3):
        assert torch.equal(asked.attributions(vectors(1, WIDTH)), expected)


def test_another_branch_in_later_blocks():
    """Modules of other names, or fewer of them, than when recorded."""

    class Rows(Net):
        def __init__(self):
            super().__init__()
            self.other = dense()

        def forward(self, x):
            y = self.other(x) if len(x) == 3 else x
            y = self.stem(y) if len(x) != 2 else y
            return self.head(torch.tanh(self.cut(y)) + y)

    for rows in (1, 2, 3, 5):
        model = built(Rows)
        wrapper = get_model_wrapper(model)
        expected = full(Rows, ask=lambda w, c, rows=rows: method(w, c, rows=rows))
        for _ in range(2):
            found = method(wrapper, "cut", rows=rows).attributions(vectors(1, WIDTH))
            assert torch.equal(found, expected)


def test_weights_changed_between_explanations():
    model = built(Net)
    asked = method(get_model_wrapper(model), "cut")
    asked.attributions(vectors(1, WIDTH))
    with torch.no_grad():
        model.stem[0].weight.mul_(-2.0)
    changed = copy.deepcopy(model)
    expected = method(get_model_wrapper(changed, skip_prefix=False), "cut")
    x = vectors(1, WIDTH)
    assert torch.equal(asked.attributions(x), expected.attributions(x))


def test_identical_records_prove_no_order():
    """Rows that are all alike do not tell how copies are ordered: rows that differ come later."""

    class Flat(Net):
        def forward(self, x):
            steps, width = x.transpose(0, 1), x.shape[2]
            y = self.stem(steps.reshape(-1, width)).reshape(steps.shape)
            return self.head(torch.tanh(self.cut(y.transpose(0, 1)) + y.transpose(0, 1))).mean(1)

    wrapper = get_model_wrapper(built(Flat))
    alike, different = torch.ones(1, 4, WIDTH, dtype=torch.float64), vectors(1, 4, WIDTH)
    for x in (alike, alike, different, different):
        assert torch.equal(method(wrapper, "cut").attributions(x), full(Flat, x=x))
