"""What TensorFlow's operations are to rules, by their types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

SAME = {
    "MatMul": "dot_general",
    "BatchMatMul": "dot_general",
    "BatchMatMulV2": "dot_general",
    "BatchMatMulV3": "dot_general",
    "Conv2D": "conv_general_dilated",
    "Conv3D": "conv_general_dilated",
    "DepthwiseConv2dNative": "conv_general_dilated",
    "Add": "add",
    "AddV2": "add",
    "BiasAdd": "add",
    "Sub": "sub",
    "Mul": "mul",
    "RealDiv": "div",
    "Div": "div",
    "DivNoNan": "div",
    "Maximum": "max",
    "Minimum": "min",
    "Exp": "exp",
    "Log": "log",
    "Abs": "abs",
    "Rsqrt": "rsqrt",
    "Max": "reduce_max",
    "Min": "reduce_min",
    "Neg": "neg",
    "Sum": "reduce_sum",
    "StopGradient": "stop_gradient",
    "Reshape": "reshape",
    "Transpose": "transpose",
    "Squeeze": "squeeze",
    "ExpandDims": "expand_dims",
    "BroadcastTo": "broadcast_in_dim",
    "Cast": "convert_element_type",
    "Sqrt": "sqrt",
}
"""Types that do what a primitive of `trulens_core.rules.planned` does, and its name."""

_TRANSPOSES = {"MatMul": "transpose_b", "BatchMatMul": "adj_y", "BatchMatMulV2": "adj_y"}
_OUTPUTS = {
    "Conv2D": (3,),
    "Conv3D": (4,),
    "DepthwiseConv2dNative": (2, 3),
    "Conv2DBackpropInput": (2,),
    "Conv3DBackpropInputV2": (3,),
}
"""The axes of what a convolution gives in its weights."""
_MOVES = (
    "StridedSlice Slice Concat ConcatV2 Pad PadV2 MirrorPad Tile Gather GatherV2 GatherNd Pack "
    "Unpack Split SplitV Select SelectV2 Reverse ReverseV2 Roll EnsureShape CheckNumerics Snapshot "
    "PlaceholderWithDefault DepthToSpace SpaceToDepth SpaceToBatch SpaceToBatchND BatchToSpace "
    "BatchToSpaceND MatrixBandPart MatrixDiag MatrixDiagV3 MatrixDiagPart MatrixDiagPartV3 "
    "ExtractImagePatches ReverseSequence TensorStridedSliceUpdate TensorScatterUpdate ScatterNd "
    "DynamicStitch ParallelDynamicStitch DynamicPartition PreventGradient Bitcast"
)
MOVES = frozenset(_MOVES.split())
"""Types that move entries, or leave some of them out."""

_SUMS = (
    "Mean Cumsum SegmentSum SegmentMean UnsortedSegmentSum TensorScatterAdd BiasAddGrad "
    "ResizeBilinear ResizeNearestNeighbor ResizeBicubic ResizeArea"
)
SUMS = frozenset(_SUMS.split())
"""Types that are linear, and do more than move entries."""

_POINTWISE = (
    "Sigmoid Tanh Erf Erfc Softplus Softsign Elu Selu LeakyRelu Relu6 Square Sqrt Pow Log Log1p "
    "Expm1 Abs Sin Cos Tan Sinh Cosh Asinh Acosh Atanh Asin Acos Atan Erfinv Reciprocal Inv "
    "ClipByValue Xlogy Xlog1py"
)
_MAX_POOLS = "MaxPool MaxPoolV2 MaxPool3D"
_AVERAGES = "AvgPool AvgPool3D"
KINDS = {
    **dict.fromkeys(_POINTWISE.split(), "pointwise"),
    **dict.fromkeys(_MAX_POOLS.split(), "max_pool"),
    **dict.fromkeys(_AVERAGES.split(), "avg_pool"),
    "Relu": "relu",
    "Softmax": "softmax",
    "LogSoftmax": "softmax",
    "FusedBatchNorm": "affine",
    "FusedBatchNormV2": "affine",
    "FusedBatchNormV3": "affine",
}
"""Kinds of operations of one value, by type."""

_OF_CONSTANTS = (
    "Add AddV2 Sub Mul RealDiv Rsqrt Sqrt Reshape Squeeze ExpandDims BroadcastTo Cast Identity"
)
OF_CONSTANTS = frozenset(_OF_CONSTANTS.split())
"""Types that the scale and shift of a normalisation are made by."""

_PLAIN = "Shape ShapeN Size Rank ZerosLike OnesLike"
PLAIN = frozenset(_PLAIN.split())
"""Types that tell of a tensor what does not depend on its numbers."""


def channels(operation: Any) -> dict[int, tuple[int, Sequence[int]]]:
    """The axes of channels in what a linear operation gives and in its weights, by their place.

    Of convolutions and of products with a matrix; of normalisations, by the place of what they
    normalise, and without weights.
    """
    kind, rank = str(operation.type), operation.outputs[0].shape.rank
    if kind in _OUTPUTS or kind.startswith("FusedBatchNorm"):
        last = operation.get_attr("data_format").decode().endswith("C")
        axis = rank - 1 if last else 1
        return {1: (axis, _OUTPUTS[kind])} if kind in _OUTPUTS else {0: (axis, ())}
    if kind not in _TRANSPOSES or rank is None or operation.inputs[1].shape.rank != 2:
        return {}
    return {1: (rank - 1, (0 if operation.get_attr(_TRANSPOSES[kind]) else 1,))}


def name_of(operation: Any) -> str:
    """What a plan calls an operation of a graph."""
    kind = str(operation.type)
    if kind in MOVES:
        return "slice"
    if kind in SUMS:
        return "cumsum"
    if kind == "Einsum":
        return "dot_general" if len(operation.inputs) == 2 else "cumsum"
    return SAME.get(kind, kind)
