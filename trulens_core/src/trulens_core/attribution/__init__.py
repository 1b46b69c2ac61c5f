"""Attribution methods: recipes of slice, quantity and distribution, a family to a file."""

from trulens_core.attribution.gradients import InputAttribution as InputAttribution
from trulens_core.attribution.gradients import InternalInfluence as InternalInfluence
from trulens_core.attribution.integrated import IntegratedGradients as IntegratedGradients
from trulens_core.attribution.method import AttributionMethod as AttributionMethod
from trulens_core.attribution.questions import as_question as as_question
