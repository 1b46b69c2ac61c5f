"""Perturbation: methods that keep and remove segments, and need no gradients.

Each is a design, which masks are evaluated, and a solver, what is made of the quantities there.
"""

from trulens_core.perturbation.ablation import Ablation as Ablation
from trulens_core.perturbation.ablation import Occlusion as Occlusion
from trulens_core.perturbation.lime import LIME as LIME
from trulens_core.perturbation.method import Perturbation as Perturbation
from trulens_core.perturbation.rise import RISE as RISE
from trulens_core.perturbation.score_cam import ScoreCAM as ScoreCAM
from trulens_core.perturbation.shapley import KernelSHAP as KernelSHAP
from trulens_core.perturbation.shapley import ShapleyValues as ShapleyValues
from trulens_core.perturbation.sobol import Sobol as Sobol
