"""What is said of inputs that cannot be explained."""

from __future__ import annotations

from collections.abc import Sequence

from trulens_core.inputs.model_inputs import ModelInputs


def no_floating_inputs(inputs: ModelInputs, embeddings: Sequence[str], what: str) -> str:
    """The message for inputs without a floating tensor; `what` leads up to a better cut."""
    found = [f"{x.name!r}: {x.value.dtype}" for x in inputs.leaves if hasattr(x.value, "dtype")]
    if any("complex" in f for f in found):
        return (
            f"the inputs hold no floating tensor ({', '.join(found)}), and attributions are of "
            "real numbers: explain a function of the real and imaginary parts, as "
            "lambda re, im: model(re + 1j * im)"
        )
    hint = f"Cut({embeddings[0]!r})" if embeddings else "an embedding layer's output"
    listed = f" (embedding layers found: {', '.join(embeddings)})" if embeddings else ""
    if not any("int" in f or "bool" in f or "string" in f for f in found):
        return (
            f"there is no floating tensor at the cut of the inputs; they hold {', '.join(found)}: "
            "an argument that is None, or not given as a tensor, cannot be explained"
        )
    kinds = "integers or strings" if any("string" in f for f in found) else "integers"
    return (
        f"the inputs hold no floating tensor ({', '.join(found)}), and there is no gradient at "
        f"{kinds}, nor a path: {what} {hint}{listed}; give numbers that are no ids as floats, "
        "with .float() or .astype"
    )
