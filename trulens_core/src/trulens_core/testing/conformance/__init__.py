"""The conformance suite: classes of tests that a backend's tests inherit. It needs pytest.

    class TestMine(Conformance):
        backend_name = "mine"

        def build(self, architecture, dtype):
            return the framework's own model of a `trulens_core.testing.Architecture`

        def state(self, model):
            return all that a call must leave as it was, by name

See `Harness` for what else a backend may say, such as where it must fail and why.
"""

from trulens_core.testing.conformance.batches import BatchIndependence as BatchIndependence
from trulens_core.testing.conformance.cuts import Cuts as Cuts
from trulens_core.testing.conformance.evaluation import Evaluation as Evaluation
from trulens_core.testing.conformance.forms import Forms as Forms
from trulens_core.testing.conformance.harness import Harness as Harness
from trulens_core.testing.conformance.inputs import Inputs as Inputs
from trulens_core.testing.conformance.laws import Laws as Laws
from trulens_core.testing.conformance.results import Results as Results


class Conformance(Laws, BatchIndependence, Forms, Cuts, Inputs, Evaluation, Results):
    """Everything."""
