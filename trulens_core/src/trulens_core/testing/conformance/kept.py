"""Results that know what they are: their records, and replays."""

from __future__ import annotations

import numpy as np

from trulens_core import (
    ClassQoI,
    GaussianDoi,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
)
from trulens_core.results.replaying import Replay
from trulens_core.testing.conformance.harness import Harness


class Kept(Harness):
    """What `explain` tells besides the numbers, the same on every framework."""

    law = "kept results"

    def again(self, replay: Replay) -> bool:
        """Whether a result is the same: to the bit, where an evaluation repeats its bits."""
        return replay.exact or (replay.same and not self.repeats_bits)

    def test_a_result_knows_what_it_is(self) -> None:
        (x,), _ = self.records("mlp", 3)
        wrapper = self.wrapper("mlp")
        result = IntegratedGradients(wrapper, resolution=3).explain(x)
        scores = self.backend.to_numpy(self.backend.from_numpy(np.asarray(wrapper(x))))
        assert np.asarray(result.target).tolist() == scores.argmax(axis=1).tolist()
        assert result.inputs.args[0] is x
        assert result.method is not None
        assert result.method["backend"] == wrapper.backend.name
        assert self.again(result.replay(wrapper))

    def test_records_of_a_result_of_tensors(self) -> None:
        """r[i] holds what r has for record i; `numpy` changes kinds and no number."""
        (x,), _ = self.records("mlp", 3)
        wrapper, tensors = self.wrapper("mlp"), self.tensor(x)
        method = InternalInfluence(wrapper, "hidden", ClassQoI([0, 1, 2]), "linear")
        whole = method.explain(tensors)
        assert len(whole) == 3
        assert [one.target.tolist() for one in whole] == [[0], [1], [2]]
        for i, one in enumerate(whole):
            assert self.backend.is_tensor(one.attributions)
            assert self.close(one.attributions, whole.attributions[i : i + 1])
            assert self.close(one.inputs.args[0], x[i : i + 1])
        assert whole[1:] == whole[[1, 2]]
        assert isinstance(whole.numpy().attributions, np.ndarray)
        assert self.close(whole.numpy().attributions, whole.attributions)

    def test_inputs_of_several_tensors_are_computed_again(self) -> None:
        args, kwargs = self.records("two_inputs", 2)
        wrapper = self.wrapper("two_inputs")
        method = InputAttribution(wrapper, qoi=(0, 1), doi=GaussianDoi(0.1, 3, seed=5))
        result = method.explain(*map(self.tensor, args), **kwargs)
        assert self.again(result.replay(wrapper))
        assert self.again(result.numpy().replay(wrapper))
