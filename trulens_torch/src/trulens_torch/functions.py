"""What torch's functions are to rules, by their names."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.nn import functional

_MOVES = (
    "view reshape flatten unflatten permute transpose t swapaxes swapdims movedim moveaxis "
    "contiguous expand expand_as broadcast_to squeeze unsqueeze narrow select getitem "
    "index_select gather index split chunk unbind tensor_split cat concat concatenate stack "
    "hstack vstack clone to type type_as float double half bfloat16 cpu cuda view_as reshape_as T "
    "mT H mH roll flip take_along_dim pad identity positive repeat tile repeat_interleave "
    "pixel_shuffle pixel_unshuffle unfold masked_fill where tril triu diagonal dropout dropout1d "
    "dropout2d dropout3d alpha_dropout feature_alpha_dropout channel_shuffle real"
)
MOVES = frozenset(_MOVES.split())
"""Functions that move entries, or leave some of them out."""

_SUMS = (
    "neg negative sum mean cumsum fold trace interpolate upsample upsample_nearest "
    "upsample_bilinear nansum index_add scatter_add"
)
SUMS = frozenset(_SUMS.split())
"""Functions that are linear, and do more than move entries."""

_WRITES = "setitem copy fill zero index_copy masked_fill index_put"
WRITES = frozenset(_WRITES.split())
"""What, in place, writes values and reads none of the old ones."""

_SHAPES = (
    "view reshape flatten unflatten permute transpose squeeze unsqueeze contiguous movedim "
    "swapaxes t view_as reshape_as clone"
)
SHAPES = frozenset(_SHAPES.split())
"""Moves of a whole tensor, after which a bias may still be added to what a layer gave."""

_POINTWISE = (
    "gelu silu tanh sigmoid elu selu celu softplus leaky_relu hardswish hardtanh hardsigmoid "
    "relu6 mish logsigmoid softsign tanhshrink exp log log1p expm1 sqrt abs square pow sin cos "
    "erf clamp clamp_min clamp_max reciprocal prelu rrelu threshold hardshrink softshrink exp2 "
    "log2 log10 atan tan sinh cosh asinh acosh atanh absolute clip erfc"
)
POINTWISE = frozenset(_POINTWISE.split())

_PLAIN = (
    "size dim numel is_floating_point is_complex detach detach_ item tolist numpy data_ptr stride "
    "storage_offset is_contiguous get_device register_hook __len__ __bool__ __float__ __int__ "
    "requires_grad_ __format__ __repr__ __hash__ "
    "argmax argmin isnan isinf isfinite zeros_like ones_like empty_like full_like "
    "rand_like randn_like new_zeros new_ones new_full new_empty new_tensor any all element_size "
    "nelement is_same_size ndimension __contains__ is_tensor is_nonzero sign __set__ is_inference "
    "is_neg is_conj result_type can_cast __array__ retain_grad __deepcopy__ __reduce_ex__ "
    "is_shared qscheme floor ceil round equal allclose isclose argsort has_names is_set_to "
    "untyped_storage storage __index__ bincount count_nonzero nonzero one_hot"
)
PLAIN = frozenset(_PLAIN.split())
"""What gives nothing that can be differentiated."""

_COMPARES = "eq ne lt gt le ge greater greater_equal less less_equal not_equal"
COMPARES = frozenset(_COMPARES.split())
"""What tells where values lie, and so decides what is done with them elsewhere."""

KINDS = {
    **dict.fromkeys(COMPARES, "compares"),
    "linear": "linear",
    **dict.fromkeys((f"conv{t}{d}d" for t in ("", "_transpose") for d in (1, 2, 3)), "conv"),
    **dict.fromkeys(("add", "radd"), "add"),
    **dict.fromkeys(("sub", "subtract", "rsub"), "sub"),
    **dict.fromkeys(("mul", "multiply", "rmul"), "multiply"),
    **dict.fromkeys(("div", "true_divide", "truediv", "divide"), "divide"),
    **dict.fromkeys(("rtruediv", "rdiv"), "rdivide"),
    **dict.fromkeys(("matmul", "bmm", "mm", "mv", "rmatmul"), "matmul"),
    **dict.fromkeys(("addmm", "baddbmm"), "addmm"),
    "einsum": "einsum",
    "batch_norm": "batch_norm",
    "scaled_dot_product_attention": "attention",
    **dict.fromkeys(("softmax", "log_softmax"), "softmax"),
    "rsqrt": "rsqrt",
    "relu": "relu",
    **dict.fromkeys((f"{a}avg_pool{d}d" for a in ("", "adaptive_") for d in (1, 2, 3)), "avg_pool"),
    **dict.fromkeys(("amax", "max_pool1d", "max_pool2d", "max_pool3d"), "max_pool"),
    "max": "max",
    **dict.fromkeys(POINTWISE, "pointwise"),
    **dict.fromkeys((*MOVES, *SUMS), "structural"),
    **dict.fromkeys(PLAIN, "plain"),
}
"""How a function is seen to, by its name."""

_POOLS = {
    getattr(functional, name): name
    for name in (f"{a}max_pool{d}d" for a in ("", "adaptive_") for d in (1, 2, 3))
}
"""Functions that go by another name than their own."""

_IN_PLACE = {
    "add": torch.add,
    "mul": torch.mul,
    "sub": torch.sub,
    "div": torch.div,
    "truediv": torch.true_divide,
    "pow": torch.pow,
    "matmul": torch.matmul,
}


class Known(NamedTuple):
    """What a function is.

    Attributes:
        name: without underscores.
        kind: how it is seen to, a value of `KINDS`, "unknown", or "open" where it is a Python
            function whose parts are seen to instead.
        plain: the same, not in place; itself where it is not.
        in_place: whether it changes its first argument.
        reflected: whether its operands are exchanged, as in 1 - x.
    """

    name: str
    kind: str
    plain: Callable[..., Any]
    in_place: bool = False
    reflected: bool = False


@functools.lru_cache(2048)
def known(function: Any) -> Known:
    """What is known of a function."""
    raw = str(getattr(function, "__name__", function))
    if raw == "__get__":
        owner = getattr(getattr(function, "__self__", None), "__name__", "")
        return Known(owner, "structural" if owner in MOVES else "plain", function)
    if raw in PLAIN:
        return Known(raw, "plain", function)
    name, in_place = _named(raw, function)
    plain = _plain(name, function) if in_place else function
    kind = KINDS.get(name, "unknown")
    if function in _POOLS:
        name, kind = _POOLS[function], "max_pool"
    if name in WRITES and in_place:
        return Known(name, "write", function, True)
    if kind == "unknown" and _is_python(function):
        kind = "open"
    return Known(name, kind, plain, in_place, name in ("rsub", "rtruediv", "rdiv", "rpow"))


def _named(raw: str, function: Any) -> tuple[str, bool]:
    del function
    if raw == "__setitem__":
        return "setitem", True
    if raw.startswith("__i") and raw not in ("__invert__", "__index__", "__int__"):
        return raw[3:].strip("_"), True
    if raw.startswith("__"):
        return raw.strip("_"), False
    return (raw[:-1].lstrip("_"), True) if raw.endswith("_") else (raw.lstrip("_"), False)


def _plain(name: str, function: Any) -> Any:
    found = _IN_PLACE.get(name) or getattr(torch, name, None) or getattr(functional, name, None)
    return function if found is None else found


def _is_python(function: Any) -> bool:
    return isinstance(function, types.FunctionType) and function.__module__ == functional.__name__


@functools.cache
def opened(function: types.FunctionType) -> Callable[..., Any]:
    """A Python function of torch's, which calls its parts instead of handing itself over."""

    def no(*_: Any, **__: Any) -> bool:
        return False

    names = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")
    held = {**function.__globals__, **{n: no for n in names if n in function.__globals__}}
    new = types.FunctionType(
        function.__code__, held, function.__name__, function.__defaults__, function.__closure__
    )
    new.__kwdefaults__ = function.__kwdefaults__
    return new
