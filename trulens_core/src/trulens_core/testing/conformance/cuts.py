"""What a cut holds: calls, sides, several tensors, containers, the records' axis."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from trulens_core import (
    CalledSeveralTimesError,
    ClassQoI,
    Cut,
    CutError,
    InputCut,
    InternalInfluence,
    InterventionError,
    LambdaQoI,
    LayerNotReachedError,
    LinearDoi,
    LogitCut,
    NotConnectedError,
    NotDifferentiableError,
    OutputCut,
    UnknownLayerError,
    get_model_wrapper,
)
from trulens_core.testing.conformance.harness import Harness
from trulens_core.testing.conformance.subjects import Product
from trulens_core.testing.zoo import ZOO


def dense(x: Any, weights: Any, layer: str) -> Any:
    """A dense layer in NumPy."""
    return x @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]


class Cuts(Harness):
    """Values at cuts, and the errors of cuts that a model cannot serve."""

    law = "cuts"

    def _at(self, name: str, cut: Any, n: int = 3) -> Any:
        """The value at a cut."""
        args, kwargs = self.records(name, n)
        return self.wrapper(name).fprop(args, kwargs, to_cut=cut)

    def _influence(
        self, name: str, cuts: Any, qoi: Any = 0, doi: Any = "point", **more: Any
    ) -> Any:
        args, kwargs = self.records(name, 3)
        method = InternalInfluence(self.wrapper(name), cuts, qoi, doi, **more)
        return method.attributions(*args, **kwargs)

    # -- what is there -----------------------------------------------------------------------

    def test_values_are_those_of_the_layers(self) -> None:
        (x,), w = self.records("mlp", 3)[0], ZOO["mlp"].weights()
        hidden = dense(x, w, "hidden")
        second = dense(np.tanh(hidden), w, "second")
        for cut, expected in (
            (Cut("hidden", anchor="in"), x),
            ("hidden", hidden),
            (Cut("act", anchor="in"), hidden),
            ("act", np.tanh(hidden)),
            (Cut("second", anchor="in"), np.tanh(hidden)),
            ("second", second),
            (InputCut(), x),
            (None, dense(np.tanh(second), w, "logits")),
            (OutputCut(), dense(np.tanh(second), w, "logits")),
        ):
            assert self.close(self._at("mlp", cut), expected)

    def test_calls_are_told_apart(self) -> None:
        (x,), w = self.records("shared", 3)[0], ZOO["shared"].weights()
        h = dense(x, w, "start")
        for call in range(3):
            given, h = h, dense(h, w, "cell")
            for cut, value in (
                (Cut("cell", anchor="in", call=call), given),
                (Cut("cell", call=call), h),
            ):
                assert self.close(self._at("shared", cut), value, what=f"the value at {cut!r}")
            h = np.tanh(h)

    def test_gradients_at_a_call(self) -> None:
        """The gradient at a call is that of what follows it."""
        (x,), w = self.records("shared", 3)[0], ZOO["shared"].weights()
        h, slopes = dense(x, w, "start"), []
        for _ in range(3):
            h = np.tanh(dense(h, w, "cell"))
            slopes.append(1 - h * h)
        gradient = np.broadcast_to(w["logits.weight"][0], (3, 4))
        for call in (2, 1, 0):
            gradient = gradient * slopes[call]
            found = self._influence("shared", Cut("cell", call=call), multiply_activation=False)
            assert self.close(found, gradient, what=f"the gradient at call {call}")
            gradient = gradient @ w["cell.weight"]

    def test_a_path_at_a_call(self) -> None:
        """Replacing the value at one call leaves the calls before it."""
        cut = Cut("cell", call=1)
        args, _ = self.records("shared", 3)
        wrapper = self.wrapper("shared")
        values = np.full((3, 4), 0.1)
        there = wrapper.fprop(args, doi_cut=cut, intervention=values, to_cut=cut)
        message = f"the value put in at {cut!r}, as the model goes on with it"
        assert self.close(there, values, what=message)
        found = self._influence(
            "shared", cut, ClassQoI(1), LinearDoi(0.1, 50, cut=cut, rule="gauss-legendre")
        )
        low = wrapper.fprop(args, doi_cut=cut, intervention=values)[:, 1]
        np.testing.assert_allclose(found.sum(1), wrapper(*args)[:, 1] - low, rtol=1e-9)
        before = wrapper.fprop(args, doi_cut=cut, intervention=values, to_cut=Cut("cell", call=0))
        assert self.close(before, self._at("shared", Cut("cell", call=0)))

    def test_calls_that_are_not_there(self) -> None:
        with pytest.raises(CalledSeveralTimesError, match=r"'cell'.*3 times.*call=") as info:
            self._influence("shared", "cell")
        assert isinstance(info.value, CutError)
        with pytest.raises(CalledSeveralTimesError, match="3 times"):
            self._at("shared", "cell")
        with pytest.raises(CalledSeveralTimesError, match="3 times"):
            self._influence("shared", (None, "cell"))
        for cut in (Cut("cell", call=3), Cut("start", call=1)):
            with pytest.raises(LayerNotReachedError, match=r"3 time|1 time"):
                self._at("shared", cut)

    def test_layers_that_are_never_called(self) -> None:
        for ask in (self._influence, self._at):
            with pytest.raises(LayerNotReachedError, match="'spare'"):
                ask("shared", "spare")

    @pytest.mark.parametrize("name", ["secnod", "model.second", "Second"])
    def test_layers_that_do_not_exist(self, name: str) -> None:
        for ask in (self._influence, self._at):
            with pytest.raises(UnknownLayerError, match=rf"(?s){name}.*did you mean.*'second'"):
                ask("mlp", name)

    @pytest.mark.parametrize("index", [5, -6])
    def test_indices_that_do_not_exist(self, index: int) -> None:
        with pytest.raises(UnknownLayerError, match=f"{index}.*0 to 4"):
            self._influence("mlp", Cut(index))

    # -- several tensors ---------------------------------------------------------------------

    def test_several_layers_are_one_cut(self) -> None:
        """Results are per layer, in the order of the names, and those of each layer alone."""
        for names in (["left", "right"], ["right", "left"]):
            found = self._influence("two_inputs", Cut(names), Product())
            assert isinstance(found, list)
            for name, part in zip(names, found, strict=True):
                assert self.close(part, self._influence("two_inputs", name, Product()))

    def test_all_tensors_move_along_one_path(self) -> None:
        """On a path the gradient at one tensor is taken where the others are as far."""
        cut = Cut(["right", "left"])
        doi = LinearDoi([0.5, -0.5], 3, cut=cut)
        args, kwargs = self.records("two_inputs", 3)
        wrapper = self.wrapper("two_inputs")
        found = self._influence("two_inputs", cut, Product(), doi)
        right, left = self._at("two_inputs", "right"), self._at("two_inputs", "left")
        expected = [np.zeros_like(right), np.zeros_like(left)]
        for a in (1.0, 0.5, 0.0):
            values = [a * right + (1 - a) * 0.5, a * left - (1 - a) * 0.5]
            gradients = wrapper.qoi_bprop(Product(), args, kwargs, doi_cut=cut, intervention=values)
            expected = [e + g / 3 for e, g in zip(expected, gradients, strict=True)]
        scaled = [expected[0] * (right - 0.5), expected[1] * (left + 0.5)]
        assert self.close(found, scaled)

    def test_completeness_over_several_layers(self) -> None:
        """Of layers beside each other, a path over all of them has the whole difference."""
        cut = Cut(["right", "left"])
        doi = LinearDoi(0.1, 50, cut=cut, rule="gauss-legendre")
        args, kwargs = self.records("two_inputs", 3)
        result = InternalInfluence(self.wrapper("two_inputs"), cut, 1, doi).explain(*args, **kwargs)
        attributed = sum(a.sum(1) for a in result.attributions)
        change = result.quantity - result.baseline_quantity
        np.testing.assert_allclose(attributed, change, rtol=1e-9)
        assert np.abs(change).min() > 0

    @pytest.mark.parametrize(
        ("name", "layers"),
        [
            ("mlp", ["hidden", "second"]),  # all of the one goes through the other
            ("resnet", ["stem", "norm2"]),  # some goes around it
            ("transformer", ["query", "mix", "up"]),
        ],
    )
    def test_layers_that_depend_on_each_other(self, name: str, layers: list[str]) -> None:
        """The gradient at each is the total derivative: that of the layer alone."""
        alone = {n: self._influence(name, n, Product(), multiply_activation=False) for n in layers}
        assert all(np.abs(g).max() > 0 for g in alone.values())
        for names in (layers, layers[::-1]):
            found = self._influence(name, Cut(names), Product(), multiply_activation=False)
            for n, gradient in zip(names, found, strict=True):
                message = f"the gradient at {n!r} in {Cut(names)!r}"
                assert self.close(gradient, alone[n], what=message)

    def test_layers_that_depend_on_each_other_have_no_path_together(self) -> None:
        for name, names in (("mlp", ["second", "hidden"]), ("resnet", ["stem", "norm2"])):
            cut = Cut(names)
            later, earlier = sorted(names, key=["stem", "hidden"].__contains__)
            with pytest.raises(CutError, match=f"'{later}' is computed from that at '{earlier}'"):
                self._influence(name, cut, Product(), LinearDoi(0.1, 2, cut=cut))

    def test_a_layer_with_two_inputs(self) -> None:
        """At its input a cut holds all its floating tensors, positional ones first."""
        left, right = (self._at("two_inputs", name) for name in ("left", "right"))
        cut = Cut("joint", anchor="in")
        assert self.close(self._at("two_inputs", cut), [left * right, left])
        found = self._influence("two_inputs", cut, multiply_activation=False)
        at_sum = self._influence("two_inputs", "joint", multiply_activation=False)
        assert self.close(found, [at_sum, at_sum])
        chosen = Cut("joint", anchor="in", accessor=lambda inputs: inputs.args[1])
        assert self.close(self._at("two_inputs", chosen), left)
        found = self._influence("two_inputs", chosen, multiply_activation=False)
        assert self.close(found, at_sum)

    def test_a_tensor_that_does_not_matter_gets_zeros(self) -> None:
        a, b = self._influence("two_inputs", (None, "left"))
        assert np.abs(a).max() > 0
        assert b.shape == (3, 3)
        assert not b.any()

    # -- containers and accessors ------------------------------------------------------------

    def test_outputs_in_containers(self) -> None:
        """`logits` of a mapping, the first floating tensor of a tuple; an accessor chooses."""
        second, y = self._at("dict_output", "second"), self._at("dict_output", "logits")
        assert self.close(self._at("dict_output", None), y)
        features = OutputCut(accessor=lambda v: v["features"])
        assert self.close(self._at("dict_output", features), second)
        whole = OutputCut(accessor=lambda v: [v["logits"], v["features"]])
        assert self.close(self._at("dict_output", whole), [y, second])
        second, y = self._at("tuple_output", "second"), self._at("tuple_output", "logits")
        assert self.close(self._at("tuple_output", None), second)
        assert self.close(self._at("tuple_output", OutputCut(accessor=lambda v: v[1])), y)
        assert self.close(
            self._at("recurrent", Cut("rnn", accessor=lambda v: v[0])), self._at("recurrent", "rnn")
        )

    def test_outputs_by_names_of_their_own(self) -> None:
        """Several without `logits` must be told apart, and come in the order of insertion."""
        output = {"scores": "y", "features": "second"}
        model = self.build(dataclasses.replace(ZOO["dict_output"], output=output), "float64")
        wrapper = get_model_wrapper(model, backend=self.backend_name)
        args, _ = self.records("dict_output", 3)
        told = r"(?s)OutputCut.*'scores'.*'features'.*OutputCut\(accessor="
        for ask in (wrapper, InternalInfluence(wrapper, "second", 0, "point").attributions):
            with pytest.raises(CutError, match=told):
                ask(*args)
        second, y = self._at("dict_output", "second"), self._at("dict_output", "logits")
        whole = OutputCut(accessor=lambda v: v)
        what = "all tensors of an output, in the order of insertion"
        assert self.close(wrapper.fprop(args, to_cut=whole), [y, second], what=what)
        product = LambdaQoI(lambda v: v[0][:, 2] * v[1][:, 0])
        method = InternalInfluence(
            wrapper, (whole, whole), product, "point", multiply_activation=False
        )
        expected = [np.zeros_like(y), np.zeros_like(second)]
        expected[0][:, 2], expected[1][:, 0] = second[:, 0], y[:, 2]
        assert self.close(method.attributions(*args), expected)

    def test_inputs_come_in_their_order(self) -> None:
        """A dict of inputs is seen in the order of insertion, whatever the model's own."""
        ((batch,), _), wrapper = self.records("nested", 3), self.wrapper("nested")
        given = dict(reversed(batch.items()))
        assert self.close(wrapper.fprop([given], to_cut=InputCut()), list(given.values()))
        assert self.close(wrapper(given), wrapper(batch))
        found = InternalInfluence(wrapper, (None, None), 0, "point").attributions(given)
        assert list(found) == list(given)
        assert self.close(found, InternalInfluence(wrapper, None, 0, "point").attributions(batch))

    def test_a_cut_inside_a_tuple(self) -> None:
        """Replacing one tensor of a layer's tuple leaves the rest as it is."""
        cut = Cut("rnn", accessor=lambda v: v[0])
        args, _ = self.records("recurrent", 2)
        wrapper = self.wrapper("recurrent")
        w = ZOO["recurrent"].weights()
        values = np.random.default_rng(0).standard_normal((2, 6, 5))
        found = wrapper.fprop(args, doi_cut=cut, intervention=values)
        assert self.close(found, dense(values.mean(1), w, "logits"))
        gradient = wrapper.qoi_bprop(1, args, doi_cut=cut, intervention=values)
        assert self.close(gradient, np.broadcast_to(w["logits.weight"][1] / 6, (2, 6, 5)))

    def test_an_accessor_may_compute_only_where_values_are_read(self) -> None:
        squares = Cut("second", accessor=lambda z: z * z)
        assert self.close(self._at("mlp", squares), self._at("mlp", "second") ** 2)
        value = self._at("mlp", "second")
        found = self._influence("mlp", ("second", squares), 2, multiply_activation=False)
        expected = np.zeros_like(value)
        expected[:, 2] = 2 * value[:, 2]
        assert self.close(found, expected)
        for cut in (squares, OutputCut(accessor=lambda y: y + 1)):
            with pytest.raises(CutError, match=r"(?s)accessor.*select"):
                self._influence("mlp", cut)
        with pytest.raises(CutError, match="accessor"):
            self._influence("mlp", InputCut(accessor=lambda inputs: inputs.args[0] * 2))

    def test_an_accessor_that_finds_nothing(self) -> None:
        with pytest.raises(CutError, match="holds no tensor"):
            self._at("mlp", Cut("second", accessor=type))

    # -- the records' axis -------------------------------------------------------------------

    def test_the_records_may_lie_along_another_axis(self) -> None:
        """Results have the layer's own layout; quantities and distributions see records first."""
        (x,), w = self.records("time_major", 4)[0], ZOO["time_major"].weights()
        cut = Cut("inner", batch_axis=1)
        value = dense(x, w, "inner")
        assert self.close(self._at("time_major", cut, 4), value.swapaxes(0, 1))
        wrapper = self.wrapper("time_major")
        shapes = []

        def seen(z: Any) -> Any:
            shapes.append(tuple(z.shape))
            return 0.5 * z

        doi = LinearDoi(seen, 3, cut=cut)
        found = InternalInfluence(wrapper, cut, 0, doi, return_doi=True).explain(x)
        assert shapes == [(4, 6, 5)]
        assert found.attributions.shape == (6, 4, 5)
        assert found.interventions.shape == (3, 6, 4, 5)
        assert self.close(found.interventions[0], value.swapaxes(0, 1))
        target = Cut("mixed", batch_axis=1)
        channel = InternalInfluence(wrapper, (None, target), 2, "point", multiply_activation=False)
        slopes = (1 - np.tanh(value) ** 2) * w["mixed.weight"][2]
        assert self.close(channel.attributions(x), slopes @ w["inner.weight"])

    def test_another_number_of_rows_is_an_error(self) -> None:
        for cuts in ("inner", (None, "inner")):
            with pytest.raises(CutError, match=r"(?s)'inner'.*6 rows.*3.*batch_axis="):
                self._influence("time_major", cuts)
        with pytest.raises(CutError, match="batch_axis"):
            self._influence("time_major", Cut("inner", batch_axis=3))

    # -- named places ------------------------------------------------------------------------

    def test_logits(self) -> None:
        y = self._at("classifier", "logits")
        assert self.close(self._at("classifier", LogitCut()), y)
        args, _ = self.records("classifier", 3)
        wrapper = self.wrapped("classifier", logit_layer="second")
        assert self.close(wrapper.fprop(args, to_cut=LogitCut()), self._at("classifier", "second"))
        method = InternalInfluence(wrapper, (None, LogitCut()), 5, "point")
        assert method.attributions(*args).shape == (3, 5)
        with pytest.raises(CutError, match=r"'logits'.*logit_layer="):
            self._at("time_major", LogitCut())
        with pytest.raises(UnknownLayerError, match="sceond"):
            self.wrapped("classifier", logit_layer="sceond").fprop(args, to_cut=LogitCut())

    def test_the_output_as_source(self) -> None:
        found = self._influence("mlp", (OutputCut(), None), 1, multiply_activation=False)
        assert self.close(found, np.eye(3)[[1, 1, 1]])

    # -- what is not connected, or has no gradient -------------------------------------------

    def test_a_quantity_that_does_not_depend_on_the_source(self) -> None:
        with pytest.raises(NotConnectedError, match=r"(?s)'hidden'.*'second'"):
            self._influence("mlp", ("second", "hidden"))
        with pytest.raises(NotConnectedError, match=r"(?s)'hidden'.*'second'"):
            self._influence("mlp", "hidden", 0, LinearDoi(cut="second"))
        zeros = self.backend.xp.zeros_like
        with pytest.raises(NotConnectedError, match="quantity"):
            self._influence("mlp", "second", lambda y: zeros(y[:, 0]))

    def test_integers_have_no_gradient(self) -> None:
        ids = self.named(self.tensor(self.records("text", 3)[0][0]))
        with pytest.raises(NotDifferentiableError, match=rf"(?s){ids}.*'embedding'"):
            self._influence("text", None)
        with pytest.raises(NotDifferentiableError, match=rf"(?s)'embedding'.*{ids}"):
            self._influence("text", Cut("embedding", anchor="in"))

    def test_interventions_must_fit(self) -> None:
        args, _ = self.records("mlp", 3)
        fprop = self.wrapper("mlp").fprop
        for shape in ((3, 5), (3,), (3, 4, 1), (1, 4), (4, 4)):
            with pytest.raises(InterventionError, match=r"hidden"):
                fprop(args, doi_cut="hidden", intervention=np.zeros(shape))
        with pytest.raises(InterventionError, match=r"holds 1 tensor.*2 were given"):
            fprop(args, doi_cut="hidden", intervention=[np.zeros((3, 4)), np.zeros((3, 4))])
        with pytest.raises(InterventionError, match="no intervention"):
            fprop(args, doi_cut="hidden")
