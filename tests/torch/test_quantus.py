"""Quantus judges our explanations, which it asks for by its own interface."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "embedding" / "quantus_metrics.py"
CODE = f"""
import runpy, numpy as np, torch
example = runpy.run_path({str(EXAMPLE)!r})
model, x, y = example["trained"]()
before = {{n: w.clone() for n, w in model.state_dict().items()}}
for method in example["METHODS"]:
    given = example["explain"](model, x, y, method)
    assert isinstance(given, np.ndarray) and given.shape == x.shape
    how = {{"explain_func": example["explain"], "explain_func_kwargs": {{"method": method}}}}
    faithfulness = []
    for asked in (how, {{"a_batch": given}}):
        np.random.seed(0)
        judge = example["metrics"]()["faithfulness"]
        options = {{"channel_first": True, "softmax": False}}
        faithfulness.append(judge(model=model, x_batch=x, y_batch=y, **options, **asked))
    assert np.allclose(*faithfulness, atol=1e-6), method
    assert all(p.grad is None for p in model.parameters())
assert all((w == before[n]).all() for n, w in model.state_dict().items())
result = example["IntegratedGradients"](model, 0.0, 16, qoi=example["ClassQoI"](y)).explain(x)
assert (example["explain"](model, x, y) == result.attributions).all()
example["main"]()
"""


@pytest.fixture(scope="module")
def printed():
    """By a process of its own: it imports every framework that is installed."""
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_scores_say_what_is_known_of_the_methods(printed):
    head, *rows = printed.splitlines()[-4:]
    assert head.split() == ["faithfulness", "sensitivity", "sparseness"]
    scores = {r[:22].strip(): [float(n) for n in re.findall(r"-?\d+\.\d+", r)] for r in rows}
    assert list(scores) == ["saliency", "input × gradient", "integrated gradients"]
    faithful = {method: numbers[0] for method, numbers in scores.items()}
    assert faithful["integrated gradients"] > 0.8
    assert faithful["integrated gradients"] > faithful["saliency"] + 0.1
    assert scores["integrated gradients"][2] > scores["saliency"][2]  # dark pixels get nothing
