"""Whether an explanation can be trusted: numbers for each record, with their standard errors."""

from trulens_core.metrics.agreements import Agreement as Agreement
from trulens_core.metrics.agreements import agreement as agreement
from trulens_core.metrics.complexity import Complexity as Complexity
from trulens_core.metrics.complexity import Sparseness as Sparseness
from trulens_core.metrics.curves import Deletion as Deletion
from trulens_core.metrics.curves import Insertion as Insertion
from trulens_core.metrics.curves import Monotonicity as Monotonicity
from trulens_core.metrics.evaluating import evaluate as evaluate
from trulens_core.metrics.evaluation import Evaluation as Evaluation
from trulens_core.metrics.evaluation import Winner as Winner
from trulens_core.metrics.explained import Explained as Explained
from trulens_core.metrics.faithfulness import Completeness as Completeness
from trulens_core.metrics.faithfulness import FaithfulnessCorrelation as FaithfulnessCorrelation
from trulens_core.metrics.infidelity import Infidelity as Infidelity
from trulens_core.metrics.localization import Localization as Localization
from trulens_core.metrics.localization import PointingGame as PointingGame
from trulens_core.metrics.localization import RelevanceMass as RelevanceMass
from trulens_core.metrics.localization import RelevanceRank as RelevanceRank
from trulens_core.metrics.metric import Metric as Metric
from trulens_core.metrics.metric import OfModel as OfModel
from trulens_core.metrics.randomization import DataRandomization as DataRandomization
from trulens_core.metrics.randomization import Randomization as Randomization
from trulens_core.metrics.road import ROAD as ROAD
from trulens_core.metrics.scores import Curve as Curve
from trulens_core.metrics.scores import Score as Score
from trulens_core.metrics.stability import Sensitivity as Sensitivity
