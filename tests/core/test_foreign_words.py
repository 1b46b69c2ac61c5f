"""Options of other libraries are answered with ours."""

import pytest

from trulens_core import (
    LIME,
    Ablation,
    ExpectedGradients,
    GradCAM,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    KernelSHAP,
    SmoothGrad,
)
from trulens_core.testing import small_model

MODEL, X = small_model()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: IntegratedGradients(MODEL, target=1), r"takes no target=: .*qoi="),
        (lambda: IntegratedGradients(MODEL, n_steps=20), "resolution="),
        (lambda: IntegratedGradients(MODEL, baselines=0.5), "baseline= here"),
        (lambda: InputAttribution(MODEL, internal_batch_size=8), "rebatch_size="),
        (
            lambda: InternalInfluence(MODEL, None, 0, "point", multiply_by_inputs=False),
            "activation",
        ),
        (lambda: SmoothGrad(MODEL, nt_samples=3, stdevs=0.1), "resolution= here; .*var="),
        (lambda: ExpectedGradients(MODEL, X, nsamples=3), "samples="),
        (lambda: Ablation(MODEL, feature_mask=X), "segments="),
        (lambda: KernelSHAP(MODEL, nsamples=100, l1_reg="aic"), "samples=.*left out"),
        (lambda: LIME(MODEL, num_samples=100), "samples="),
        (lambda: GradCAM(MODEL, "hidden", operator=None), "qoi="),
        (lambda: IntegratedGradients(MODEL, qio=1), r"takes no qio=: did you mean qoi=\?$"),
    ],
)
def test_in_the_constructor(make, said):
    with pytest.raises(TypeError, match=said):
        make()
