"""AttnLRP beside lxt, whose figures are stored with how they were made."""

import json
import os
import runpy
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: nothing is fetched

import pytest
import torch

from trulens_core import AttnLRP
from trulens_core.rules import Rule, RuleSet, carry, composites
from trulens_core.testing import relative_error

FIGURES = Path(__file__).with_name("figures")
LXT = runpy.run_path(str(FIGURES / "make_lxt_rules.py"))
STORED = json.loads((FIGURES / "lxt_rules.json").read_text())


class Added(Rule):
    """The identity rule of lxt, which adds 1e-10 to every x."""

    def __call__(self, op):
        sg = op.backend.stop_gradient
        v = sg(op())
        return carry(v, [(op.x, v / (sg(op.x) + 1e-10))], op.backend)


OWN = composites.attn_lrp()
THEIRS = RuleSet([("relu|pointwise", Added()), *OWN.rules])


@pytest.mark.filterwarnings("ignore")  # of the models' own
@pytest.mark.parametrize("name", STORED)
def test_attnlrp_is_that_of_lxt(name):
    """By its identity rule to rounding, by ours to its 1e-10, and for fused attention too.

    Norms of Llama compute in float32, in a float64 model too: another attention, another rounding.
    """
    model, layer = LXT["made"](name)
    expected = torch.tensor(STORED[name], dtype=torch.float64).numpy()
    cases = [("eager", THEIRS, 1e-12), ("eager", OWN, 1e-7), ("sdpa", OWN, 1e-6)]
    for attention, rules, bound in cases:
        model.set_attn_implementation(attention)
        method = AttnLRP(model, layer=layer, qoi=lambda y: y[:, -1, LXT["TOKEN"]], rules=rules)
        found = method.explain(LXT["IDS"])
        assert relative_error(found.attributions.numpy(), expected) < bound
        assert found.coverage.complete
