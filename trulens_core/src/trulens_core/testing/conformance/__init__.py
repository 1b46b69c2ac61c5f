"""The conformance suite: classes of tests that a backend's tests inherit. It needs pytest.

    class TestMine(Conformance):
        backend_name = "mine"

        def build(self, architecture, dtype):
            return the framework's own model of a `trulens_core.testing.Architecture`

        def state(self, model):
            return all that a call must leave as it was, by name

See `Harness` for what else a backend may say, such as where it must fail and why.
"""

from trulens_core.testing.conformance import assertions as assertions
from trulens_core.testing.conformance.batches import BatchIndependence as BatchIndependence
from trulens_core.testing.conformance.callers import CallersCode as CallersCode
from trulens_core.testing.conformance.cuts import Cuts as Cuts
from trulens_core.testing.conformance.distributions import Distributions as Distributions
from trulens_core.testing.conformance.evaluation import Evaluation as Evaluation
from trulens_core.testing.conformance.forms import Forms as Forms
from trulens_core.testing.conformance.harness import Harness as Harness
from trulens_core.testing.conformance.held import Held as Held
from trulens_core.testing.conformance.inputs import Inputs as Inputs
from trulens_core.testing.conformance.kept import Kept as Kept
from trulens_core.testing.conformance.laws import Laws as Laws
from trulens_core.testing.conformance.layered import OwnLayers as OwnLayers
from trulens_core.testing.conformance.methods import Methods as Methods
from trulens_core.testing.conformance.metrics import Metrics as Metrics
from trulens_core.testing.conformance.namespace import BackendFunctions as BackendFunctions
from trulens_core.testing.conformance.namespace import Namespace as Namespace
from trulens_core.testing.conformance.outputs import Outputs as Outputs
from trulens_core.testing.conformance.parity import FrameworkIndependence as FrameworkIndependence
from trulens_core.testing.conformance.perturbation import Perturbations as Perturbations
from trulens_core.testing.conformance.places import Places as Places
from trulens_core.testing.conformance.quantities import Quantities as Quantities
from trulens_core.testing.conformance.results import Results as Results
from trulens_core.testing.conformance.rules import Rules as Rules
from trulens_core.testing.conformance.runs import Runs as Runs
from trulens_core.testing.conformance.state import NoTrace as NoTrace
from trulens_core.testing.conformance.statistics import Statistics as Statistics
from trulens_core.testing.conformance.through import Through as Through


class Conformance(
    Laws,
    BatchIndependence,
    Forms,
    Cuts,
    Places,
    Inputs,
    Evaluation,
    Quantities,
    Outputs,
    CallersCode,
    Distributions,
    Statistics,
    Methods,
    Perturbations,
    Metrics,
    Results,
    Kept,
    Runs,
    NoTrace,
    Held,
    OwnLayers,
    Rules,
    FrameworkIndependence,
    Through,
    BackendFunctions,
    Namespace,
):
    """Everything. pytest runs the last part first: the functions that all others use."""
