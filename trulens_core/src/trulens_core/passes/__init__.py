"""One evaluation of a model, seen at its cuts, and what a backend implements for it."""

from trulens_core.passes.evaluation import Pass as Pass
from trulens_core.passes.evaluation import Place as Place
from trulens_core.passes.evaluation import Replacement as Replacement
from trulens_core.passes.model import CutModel as CutModel
from trulens_core.passes.names import Layer as Layer
from trulens_core.passes.shadows import Shadows as Shadows
from trulens_core.passes.trace import Trace as Trace
