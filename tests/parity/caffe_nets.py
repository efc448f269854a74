"""The paper's nets as Caffe describes them: prototxts with random weights, written down apart from `repro.models`.

Names, kernels, offsets of crops and the order of layers are those of the authors' nets; only the number of channels is
a parameter.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from caffe_files import Layer, write_caffemodel
from channels import INCEPTIONS, VGG16_STAGES
from numpy.typing import NDArray

BIASES = 0.1  # their spread: larger ones would drown a small image in its border


class CaffeNet:
    """A prototxt that grows layer by layer, and random weights for it.

    Attributes:
        layers: with their blobs, as the `.caffemodel` has them.
    """

    def __init__(self, seed: int = 0, **inputs: int) -> None:
        """A net of these inputs, by name; each value is a number of channels."""
        self.random = np.random.default_rng(seed)
        self.channels = dict(inputs)
        self.layers: list[Layer] = []
        self.text = "".join(
            f'input: "{name}" input_dim: 1 input_dim: {channels} input_dim: 64 input_dim: 64\n'
            for name, channels in inputs.items()
        )

    def add(self, kind: str, name: str, bottoms: Sequence[str], settings: str = "", channels: int = 0, top: str = ""):
        """A layer; its output has the channels of its first input unless told. Returns the output's name."""
        top = top or name
        links = "".join(f' bottom: "{bottom}"' for bottom in bottoms)
        self.text += f'layer {{ name: "{name}" type: "{kind}"{links} top: "{top}" {settings} }}\n'
        self.channels[top] = channels or self.channels[bottoms[0]]
        return top

    def draw(self, *shape: int, spread: float = 1) -> NDArray[np.float32]:
        """Random values of this standard deviation."""
        return (spread * self.random.standard_normal(shape)).astype(np.float32)

    def convolution(
        self, name: str, bottom: str, out: int, kernel: int, *, relu: bool = True, gain: float = 1, **settings: int
    ) -> str:
        """A convolution with a bias, and a ReLU in place; its weights are `gain` times as large as is usual."""
        inputs = self.channels[bottom] // settings.get("group", 1)
        spread = gain * math.sqrt(2 / (inputs * kernel**2)) / (64 if bottom in ("data", "color", "hha") else 1)
        weight = self.draw(out, inputs, kernel, kernel, spread=spread)
        self.layers.append(Layer(name, "Convolution", [weight, self.draw(out, spread=BIASES)]))
        text = " ".join(f"{key}: {value}" for key, value in {"kernel_size": kernel, **settings}.items())
        self.add("Convolution", name, [bottom], f"convolution_param {{ num_output: {out} {text} }}", out)
        return self.add("ReLU", f"relu_{name}", [name], top=name) if relu else name

    def inner_product(self, name: str, bottom: str, out: int, inputs: int, *, relu: bool = True) -> str:
        """A fully connected layer over `inputs` values, and a ReLU in place."""
        weight = self.draw(out, inputs, spread=math.sqrt(2 / inputs))
        self.layers.append(Layer(name, "InnerProduct", [weight, self.draw(out, spread=BIASES)]))
        self.add("InnerProduct", name, [bottom], f"inner_product_param {{ num_output: {out} }}", out)
        return self.add("ReLU", f"relu_{name}", [name], top=name) if relu else name

    def pooling(self, name: str, bottom: str, kernel: int, stride: int, pad: int = 0, pool: str = "MAX") -> str:
        """A pooling, whose size Caffe rounds up."""
        settings = f"pooling_param {{ pool: {pool} kernel_size: {kernel} stride: {stride} pad: {pad} }}"
        return self.add("Pooling", name, [bottom], settings)

    def lrn(self, name: str, bottom: str) -> str:
        """Local response normalisation over five channels."""
        return self.add("LRN", name, [bottom], "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }")

    def dropout(self, name: str, bottom: str) -> str:
        """Dropout in place."""
        return self.add("Dropout", name, [bottom], "dropout_param { dropout_ratio: 0.5 }", top=bottom)

    def deconvolution(self, name: str, bottom: str, kernel: int, stride: int, *, dense: bool = False) -> str:
        """Upsampling without a bias, stored dense; unless it is, every class has a random kernel of its own."""
        classes = self.channels[bottom]
        weight = self.draw(classes, classes, kernel, kernel, spread=1 / classes if dense else 1)
        if not dense:
            weight *= np.eye(classes, dtype=np.float32)[:, :, None, None]
        self.layers.append(Layer(name, "Deconvolution", [weight]))
        settings = f"num_output: {classes} kernel_size: {kernel} stride: {stride} bias_term: false"
        return self.add("Deconvolution", name, [bottom], f"convolution_param {{ {settings} }}")

    def scale(self, name: str, bottom: str, factor: float, *, spread: float = 0) -> str:
        """A factor for each channel, all the same unless a spread is given."""
        values = factor * (1 + self.draw(self.channels[bottom], spread=spread))
        self.layers.append(Layer(name, "Scale", [values.astype(np.float32)]))
        return self.add("Scale", name, [bottom], "scale_param { bias_term: false }")

    def crop(self, name: str, bottom: str, like: str, offset: int) -> str:
        """A window of the size of `like` that begins at `offset`."""
        return self.add("Crop", name, [bottom, like], f"crop_param {{ axis: 2 offset: {offset} }}")

    def sum(self, name: str, bottoms: Sequence[str], coefficient: float = 1) -> str:
        """A weighted sum."""
        weights = "".join(f" coeff: {coefficient}" for _ in bottoms)
        return self.add("Eltwise", name, bottoms, f"eltwise_param {{ operation: SUM{weights} }}")

    def write(self, folder: Path, *, v1: bool = False, legacy: bool = False) -> tuple[Path, Path]:
        """Write the prototxt and the `.caffemodel`, and return their paths."""
        (folder / "net.prototxt").write_text(self.text)
        return folder / "net.prototxt", write_caffemodel(folder / "net.caffemodel", self.layers, v1=v1, legacy=legacy)


def run(prototxt: Path, caffemodel: Path, tops: Sequence[str], **inputs: NDArray[np.float32]) -> list[NDArray]:
    """What OpenCV computes for a net's outputs."""
    net = cv2.dnn.readNetFromCaffe(str(prototxt), str(caffemodel))
    net.enableWinograd(False)  # which is faster and less exact
    for name, values in inputs.items():
        net.setInput(values, name)
    return list(net.forward(list(tops)))


def scaled(channels: int, width: float) -> int:
    """A number of channels of a narrow net."""
    return int(channels * width)


def vgg16(net: CaffeNet, width: float, pad: int, data: str = "data", suffix: str = "", first: str = "conv1_1") -> str:
    """The convolutions and pools of VGG16, of which the first is called `first`; returns the last pool."""
    x = data
    for stage, widths in enumerate(VGG16_STAGES, start=1):
        for index, channels in enumerate(widths, start=1):
            name, border = (first, pad) if x == data else (f"conv{stage}_{index}", 1)
            x = net.convolution(f"{name}{suffix}", x, scaled(channels, width), 3, pad=border)
        x = net.pooling(f"pool{stage}{suffix}", x, 2, 2)
    return x


def caffenet(net: CaffeNet, width: float, pad: int) -> str:
    """The convolutions and pools of CaffeNet; returns the last pool."""
    x = net.convolution("conv1", "data", scaled(96, width), 11, stride=4, pad=pad)
    x = net.lrn("norm1", net.pooling("pool1", x, 3, 2))
    x = net.convolution("conv2", x, scaled(256, width), 5, pad=2, group=2)
    x = net.lrn("norm2", net.pooling("pool2", x, 3, 2))
    x = net.convolution("conv3", x, scaled(384, width), 3, pad=1)
    x = net.convolution("conv4", x, scaled(384, width), 3, pad=1, group=2)
    x = net.convolution("conv5", x, scaled(256, width), 3, pad=1, group=2)
    return net.pooling("pool5", x, 3, 2)


def googlenet(net: CaffeNet, width: float) -> str:
    """GoogLeNet up to its last inception, whose name it returns."""
    x = net.convolution("conv1/7x7_s2", "data", scaled(64, width), 7, stride=2, pad=3)
    x = net.lrn("pool1/norm1", net.pooling("pool1/3x3_s2", x, 3, 2))
    x = net.convolution("conv2/3x3_reduce", x, scaled(64, width), 1)
    x = net.convolution("conv2/3x3", x, scaled(192, width), 3, pad=1)
    x = net.pooling("pool2/3x3_s2", net.lrn("conv2/norm2", x), 3, 2)
    for name, widths in INCEPTIONS.items():
        if name in ("4a", "5a"):
            x = net.pooling(f"pool{int(name[0]) - 1}/3x3_s2", x, 3, 2)
        x = _inception(net, f"inception_{name}", x, [scaled(channels, width) for channels in widths])
    return x


def _inception(net: CaffeNet, name: str, x: str, widths: Sequence[int]) -> str:
    one, three_reduce, three, five_reduce, five, pool_proj = widths
    branches = [
        net.convolution(f"{name}/1x1", x, one, 1),
        net.convolution(f"{name}/3x3", net.convolution(f"{name}/3x3_reduce", x, three_reduce, 1), three, 3, pad=1),
        net.convolution(f"{name}/5x5", net.convolution(f"{name}/5x5_reduce", x, five_reduce, 1), five, 5, pad=2),
        net.convolution(f"{name}/pool_proj", net.pooling(f"{name}/pool", x, 3, 1, pad=1), pool_proj, 1),
    ]
    return net.add("Concat", f"{name}/output", branches, channels=one + three + five + pool_proj)


def fully_convolutional(net: CaffeNet, x: str, width: float, kernel: int, suffix: str = "") -> str:
    """fc6 and fc7 as convolutions; returns the last."""
    for name, size in (("6", kernel), ("7", 1)):
        x = net.convolution(f"fc{name}{suffix}", x, scaled(4096, width), size)
        x = net.dropout(f"drop{name}{suffix}", x)
    return x


def skip_head(
    net: CaffeNet,
    x: str,
    classes: int,
    stride: int,
    *,
    suffix: str = "",
    scales: bool = False,
    dense: bool = False,
    spread: float = 0,
) -> str:
    """The released heads of VGG16: 32s, 16s or 8s; returns the scores of the image's pixels.

    Args:
        scales: the net at once, whose pools are scaled down.
        dense: deconvolutions that mix classes.
        spread: of the scales' factors.
    """

    def score(name: str, bottom: str, gain: float = 1) -> str:
        return net.convolution(f"score_{name}{suffix}", bottom, classes, 1, relu=False, gain=gain)

    def fuse(x: str, upscore: str, pool: str, factor: float, offset: int) -> str:
        x = net.deconvolution(f"{upscore}{suffix}", x, 4, 2, dense=dense)
        if scales:  # the weights make up for the factor, so that every map counts in the scores
            skipped = score(pool, net.scale(f"scale_{pool}{suffix}", pool, factor, spread=spread), gain=1 / factor)
        else:
            skipped = score(pool, pool)
        return net.sum(f"fuse_{pool}{suffix}", [x, net.crop(f"score_{pool}c{suffix}", skipped, x, offset)])

    x = score("fr", x)
    if stride < 32:
        x = fuse(x, "upscore2", "pool4", 0.01, 5)
    if stride < 16:
        x = fuse(x, "upscore_pool4", "pool3", 0.0001, 9)
    name = "upscore" if stride == 32 else f"upscore{stride}"
    x = net.deconvolution(f"{name}{suffix}", x, 2 * stride, stride, dense=dense)
    return net.crop(f"score{suffix}", x, "data", {32: 19, 16: 27, 8: 31}[stride])


def classifier(name: str, width: float, classes: int = 1000) -> tuple[CaffeNet, str]:
    """A narrow classifier of Caffe's model zoo (vgg16, caffenet, googlenet), and the name of its logits."""
    net = CaffeNet(data=3)
    if name == "googlenet":
        x = net.pooling("pool5/7x7_s1", googlenet(net, width), 7, 1, pool="AVE")
        x = net.dropout("pool5/drop_7x7_s1", x)
        logits = net.inner_product("loss3/classifier", x, classes, scaled(1024, width), relu=False)
        # the two other losses of the training, which the file keeps and no run needs
        for loss in ("loss1", "loss2"):
            net.layers.append(Layer(f"{loss}/conv", "Convolution", [net.draw(8, 32, 1, 1), net.draw(8)]))
            net.layers.append(Layer(f"{loss}/classifier", "InnerProduct", [net.draw(classes, 64), net.draw(classes)]))
        return net, logits
    x, side = (vgg16(net, width, pad=1), 7) if name == "vgg16" else (caffenet(net, width, pad=0), 6)
    wide = scaled(4096, width)
    x = net.inner_product("fc6", x, wide, scaled(512 if name == "vgg16" else 256, width) * side**2)
    x = net.inner_product("fc7", net.dropout("drop6", x), wide, wide)
    return net, net.inner_product("fc8", net.dropout("drop7", x), classes, wide, relu=False)


def released(name: str, width: float, seed: int = 0) -> tuple[CaffeNet, list[str]]:
    """A narrow net of the authors', by the name of our experiment, and the names of its scores."""
    dataset, _, kind = name.partition("/")
    classes = {"voc2011": 21, "nyudv2": 40, "siftflow": 33, "pascal_context": 60}[dataset]
    if kind == "fcn32s_rgb_hha":
        return _late_fusion(width, classes, seed)
    net = CaffeNet(seed, data=4 if kind == "fcn32s_rgbd" else 3)
    if kind == "fcn32s_alexnet":
        x = fully_convolutional(net, caffenet(net, width, pad=100), width, 6)
        x = net.convolution("score_fr", x, classes, 1, relu=False)
        return net, [net.crop("score", net.deconvolution("upscore", x, 63, 32), "data", 18)]
    x = vgg16(net, width, pad=100, first="conv1_1_bgrd" if kind == "fcn32s_rgbd" else "conv1_1")
    x = fully_convolutional(net, x, width, 7)
    stride = next(stride for stride in (32, 16, 8) if f"fcn{stride}s" in kind)
    if dataset == "siftflow":
        return net, [skip_head(net, x, n, stride, suffix=head) for head, n in (("_sem", 33), ("_geo", 3))]
    return net, [skip_head(net, x, classes, stride, scales="atonce" in kind)]


def _late_fusion(width: float, classes: int, seed: int) -> tuple[CaffeNet, list[str]]:
    net = CaffeNet(seed, color=3, hha=3)
    scores = []
    for stream in ("color", "hha"):
        x = vgg16(net, width, pad=100, data=stream, suffix=stream)
        x = fully_convolutional(net, x, width, 7, suffix=stream)
        scores.append(net.convolution(f"score_fr{stream}", x, classes, 1, relu=False))
    x = net.deconvolution("upscore", net.sum("score_fused", scores, coefficient=0.5), 64, 32)
    return net, [net.crop("score", x, "color", 19)]
