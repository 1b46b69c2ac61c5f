"""Explanations of this library judged by the metrics of Quantus, as its `explain_func`.

    pip install quantus
    python examples/embedding/quantus_metrics.py

Quantus calls `explain_func(model=, inputs=, targets=, **explain_func_kwargs)` with the user's own
model and wants an array shaped as the inputs. The function below is all that a toolkit needs: it
keeps no state, it may be called from any thread, and the model comes back as it was.
"""

import numpy as np
import quantus
import torch
from sklearn.datasets import load_digits
from torch import nn

from trulens_core import ClassQoI, InputAttribution, IntegratedGradients, get_model_wrapper

METHODS = {
    "saliency": lambda wrapper, qoi: InputAttribution(wrapper, qoi=qoi, multiply_activation=False),
    "input × gradient": lambda wrapper, qoi: InputAttribution(wrapper, qoi=qoi),
    "integrated gradients": lambda wrapper, qoi: IntegratedGradients(wrapper, 0.0, 16, qoi=qoi),
}


def explain(model, inputs, targets, method="integrated gradients", **_):
    """An attribution for each input and its target class, as Quantus asks for it."""
    wrapper = get_model_wrapper(model)
    explainer = METHODS[method](wrapper, ClassQoI(np.asarray(targets)))
    return np.asarray(explainer.attributions(inputs))


def trained():
    """A small convolutional network that reads digits, and 32 digits that it has not seen."""
    torch.manual_seed(0)
    digits = load_digits()
    x = torch.tensor(digits.images[:, None] / 16, dtype=torch.float32)
    y = torch.tensor(digits.target)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(12):
        for rows in torch.randperm(1400).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    optimizer.zero_grad()
    return model.eval(), x[1400:1432].numpy(), y[1400:1432].numpy()


def metrics():
    """By name; the same random draws for every method."""
    quiet = {"disable_warnings": True, "display_progressbar": False}
    return {
        # do the pixels that it names matter to the model? higher is better
        "faithfulness": quantus.FaithfulnessCorrelation(nr_runs=50, subset_size=12, **quiet),
        # how much does it move when the image moves a little? lower is better
        "sensitivity": quantus.MaxSensitivity(nr_samples=5, **quiet),
        # is it about few pixels? higher is sparser
        "sparseness": quantus.Sparseness(**quiet),
    }


def scores(model, x, y):
    """The mean score of every method by every metric."""
    found = {}
    for method in METHODS:
        for name, metric in metrics().items():
            np.random.seed(0)  # noqa: NPY002 - Quantus draws from the global generator
            values = metric(
                model=model,
                x_batch=x,
                y_batch=y,
                explain_func=explain,
                explain_func_kwargs={"method": method},
                channel_first=True,
                softmax=False,
            )
            found[method, name] = float(np.mean(values))
    return found


def main():
    model, x, y = trained()
    found = scores(model, x, y)
    print(f"{'':22}" + "".join(f"{name:>14}" for name in metrics()))
    for method in METHODS:
        print(f"{method:22}" + "".join(f"{found[method, name]:14.3f}" for name in metrics()))


if __name__ == "__main__":
    main()
