"""The words of other libraries, answered with ours."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from inspect import Parameter, signature

_OURS = {
    "target": "Captum's target= is qoi= here",
    "feature_mask": "Captum's feature_mask= is segments= here, Segments.of(mask)",
    "sliding_window_shapes": "Captum's sliding_window_shapes= is Occlusion's size= here",
    "strides": "Captum's strides= is Occlusion's stride= here",
    "perturbations_per_eval": "Captum's perturbations_per_eval= is rebatch_size= here, in rows",
    "num_samples": "lime's num_samples= is samples= here",
    "l1_reg": "SHAP's l1_reg= has no like here: no segment is left out",
    "max_evals": "SHAP's max_evals= is samples= here: permutations",
    "n_steps": "Captum's n_steps= is resolution= here",
    "baselines": "Captum's baselines= is baseline= here",
    "internal_batch_size": "Captum's internal_batch_size= is rebatch_size= here",
    "additional_forward_args": (
        "Captum's additional_forward_args= are arguments of the call here: "
        "method.attributions(x, mask=mask)"
    ),
    "multiply_by_inputs": "Captum's multiply_by_inputs= is multiply_activation= here",
    "n_samples": "Captum's n_samples= is samples= (draws from data) or resolution= (noise) here",
    "nt_samples": "Captum's nt_samples= is resolution= here",
    "nt_type": 'Captum\'s nt_type= is statistic= here: "mean", "second_moment" or "variance"',
    "stdevs": "Captum's stdevs= is a standard deviation; give its square as var= here",
    "relu_attributions": "Captum's relu_attributions= is relu= here",
    "neuron_selector": "Captum's neuron_selector= is neuron= here, or a qoi= read at the layer",
    "nsamples": "SHAP's nsamples= is samples= here",
    "background": "SHAP's background= is data= here",
    "steps": "Xplique's steps= is resolution= here",
    "nb_samples": "Xplique's nb_samples= is resolution= here",
    "operator": "Xplique's operator= is qoi= here, a function of the model's output",
    "baseline_value": "Xplique's baseline_value= is baseline= here",
    "batch_size": "batch_size= is rebatch_size= here: rows (records × points) a pass",
    "layer": (
        "a layer is where a cut is here: doi_cut= of a path or point, or the first cut of "
        "InternalInfluence"
    ),
    "conv_layer": "Xplique's conv_layer= is layer= here",
    "output_layer": "Xplique's output_layer= is qoi_cut= here",
    "reducer": "Xplique's reducer= has no like here: results are shaped as what was explained",
    "smooth_samples": "tf-keras-vis's smooth_samples= is SmoothGrad's resolution= here",
    "smooth_noise": "tf-keras-vis's smooth_noise= is SmoothGrad's noise= here",
    "penultimate_layer": "tf-keras-vis's penultimate_layer= is layer= here",
}


_NAMED = Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY
_OWN = frozenset({"qoi", "doi", "baseline", "resolution", "rebatch_size", "samples", "tolerance"})


def in_call(names: Iterable[str]) -> list[str]:
    """What to write instead of options that a call was given, its own library's included."""
    given = list(names)
    own = [f"{name}=" for name in given if name in _OWN]
    return [f"{hint}; it belongs to the method, not to the call" for hint in answers(given)] + [
        f"{name} belongs to the method, not to the call" for name in own
    ]


def answers(names: Iterable[str]) -> list[str]:
    """What to write instead of options of other libraries, for those among `names`."""
    return [_OURS[name] for name in names if name in _OURS]


def refused(kind: type, names: Iterable[str]) -> TypeError:
    """The error for options that a class of methods does not have."""
    given = list(names)
    makers = [signature(vars(k)["__init__"]) for k in kind.__mro__[:-1] if "__init__" in vars(k)]
    known = {n for m in makers for n, p in m.parameters.items() if p.kind in _NAMED} - {"self"}
    shown = ", ".join(f"{name}=" for name in given)
    near = [m for n in given if n not in _OURS for m in get_close_matches(n, sorted(known), 1)]
    hints = "; ".join([*answers(given), *(f"did you mean {name}=?" for name in near)])
    return TypeError(f"{kind.__name__} takes no {shown}" + (f": {hints}" if hints else ""))
