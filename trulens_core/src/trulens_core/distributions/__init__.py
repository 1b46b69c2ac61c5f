"""Distributions of interest: faithful to which points the explanation is.

A distribution maps the value z at its cut to points there; the gradient is averaged over them.
"""

from trulens_core.distributions.base import DoI as DoI
from trulens_core.distributions.base import PointDoi as PointDoi
from trulens_core.distributions.base import asked as asked
from trulens_core.distributions.base import check_floating as check_floating
from trulens_core.distributions.base import one_or_list as one_or_list
from trulens_core.distributions.baselines import Baselines as Baselines
from trulens_core.distributions.blurred import Blurred as Blurred
from trulens_core.distributions.blurred import ChannelMean as ChannelMean
from trulens_core.distributions.data_sets import DataDoi as DataDoi
from trulens_core.distributions.designs import Design as Design
from trulens_core.distributions.designs import Masks as Masks
from trulens_core.distributions.designs import Uniforms as Uniforms
from trulens_core.distributions.marginal import Marginal as Marginal
from trulens_core.distributions.masks import MaskDoi as MaskDoi
from trulens_core.distributions.masks import Masking as Masking
from trulens_core.distributions.noise import GaussianDoi as GaussianDoi
from trulens_core.distributions.noise import RelativeGaussianDoi as RelativeGaussianDoi
from trulens_core.distributions.paths import LinearDoi as LinearDoi
from trulens_core.distributions.paths import PathDoi as PathDoi
from trulens_core.distributions.short_forms import as_doi as as_doi
