"""The nets that are timed, and the modes that they run in."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from itertools import combinations
from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from repro import experiments
from repro.models.segmentor import FCN, TRUTHS
from repro.models.window import fast
from repro.settings import load_config
from repro.timing.case import SEED
from repro.timing.device import synchronize

Scores = Tensor | tuple[Tensor, ...]

# experiments, and the printed forward times that they repeat
NETS = {
    "voc2011/fcn32s_alexnet": ["cvpr2015/table1/FCN-AlexNet"],
    "voc2011/fcn32s_vgg16": ["cvpr2015/table1/FCN-VGG16"],
    "voc2011/fcn32s_googlenet": ["cvpr2015/table1/FCN-GoogLeNet"],
    "voc2011/fcn16s_vgg16": [],
    "voc2011/fcn8s_vgg16": ["cvpr2015/table3/FCN-8s"],
    "nyudv2/fcn32s_rgbd": [],
    "nyudv2/fcn32s_rgb_hha": [],
    "siftflow/fcn16s_vgg16": [],
}
PARTS = ("fast", "channels_last", "compile", "cuda_graph")  # of a mode, in the order in which they are applied
MODES = (
    "eager",
    *(
        "+".join(parts)
        for count in range(1, len(PARTS) + 1)
        for parts in combinations(PARTS, count)
        # torch.compile gives up on fast after eight shapes of its layers, and would run it as it is
        if not {"fast", "compile"} <= set(parts)
    ),
)


def config_of(experiment: str, width: float = 1, options: Mapping[str, Any] | None = None) -> Config:
    """An experiment's settings, its trunk with `width` times the channels, and more of them changed by dotted key."""
    card = experiments.get(experiment)
    stream = ".stream" if "stream" in load_config(card).model.backbone else ""
    return load_config(card, {f"model.backbone{stream}.width": width, **(options or {})})


def build_net(experiment: str, device: str = "cpu", width: float = 1, options: Mapping[str, Any] | None = None) -> FCN:
    """An experiment's net with random weights, in eval mode, the same ones in every process.

    Its score layers, which a training begins at zero, are random too: else two nets would never differ.

    Args:
        device: torch's name; on `meta` a net has shapes alone.
        width: factor on the trunk's channels.
        options: other settings, by dotted key, such as `{"model.backbone.dropout": 0}`.
    """
    torch.manual_seed(SEED)
    with torch.device("meta" if device == "meta" else "cpu"):  # numbers drawn on a GPU would be others
        net = MODELS.build(config_of(experiment, width, options).model)
        for head in net.heads.values():
            for layer in head.children():
                if isinstance(layer, nn.Conv2d):
                    nn.init.normal_(layer.weight, std=0.01)
    return net.to(device).eval()


def channels_of(net: FCN) -> int:
    """Channels of the images that a net takes."""
    return net.data_preprocessor.mean.numel()


def dtype_of(precision: str) -> torch.dtype:
    """The type of weights and images in a precision."""
    return torch.bfloat16 if precision == "bf16" else torch.float32


def forward(net: nn.Module) -> Callable[[Tensor], Scores]:
    """The function that is timed: preprocessed images (N, C, H, W) -> scores (N, classes, H, W), without gradients."""

    @torch.inference_mode()
    def scores(images: Tensor) -> Scores:
        return net(images, mode="tensor")

    return scores


def in_mode(net: FCN, mode: str, precision: str, example: Tensor) -> tuple[Callable[[Tensor], Scores], float]:
    """The forward pass of a net in a mode and a precision, and the seconds that compiling it took, 0 where none was.

    The net itself is changed. In `bf16` its weights are cast once, and every input within the timed pass: that is how
    it would be deployed. `tf32` is a flag (`repro.timing.device.use_precision`).

    A mode is `eager`, the net as it is, or one or several of these, joined by `+` in this order:

    - `fast`: `repro.fast`.
    - `channels_last`: weights and input in that memory format; the input is converted within the timed pass.
    - `compile`: `torch.compile`, for this size of input.
    - `cuda_graph`: the pass of this size of input, captured once and replayed. Its scores are overwritten by the next.

    Args:
        example: images (N, C, H, W) of the size that will be timed.

    Raises:
        ValueError: another mode.
    """
    if mode not in MODES:
        raise ValueError(f"mode is {', '.join(MODES)}, not {mode!r}")
    parts = mode.split("+")
    dtype = dtype_of(precision)
    net = net.to(dtype)
    layout = torch.contiguous_format
    if "fast" in parts:
        net = fast(net)
    if "channels_last" in parts:
        layout = torch.channels_last
        net = net.to(memory_format=layout)
    if "compile" in parts:
        torch.compiler.reset()  # another net's code counts towards how often one may be compiled
        net.compile(dynamic=False)
    scores = forward(net)

    def run(images: Tensor) -> Scores:
        return scores(images.to(dtype).contiguous(memory_format=layout))

    compile_seconds = 0.0
    if "compile" in parts:
        fresh = torch.compiler.config.patch(force_disable_caches=True)  # type: ignore[attr-defined]
        with fresh:  # else an earlier run's code would be found
            compile_seconds = first_call(run, example)
    return _cuda_graph(run, example) if "cuda_graph" in parts else run, compile_seconds


def _cuda_graph(run: Callable[[Tensor], Scores], example: Tensor) -> Callable[[Tensor], Scores]:
    image = example.clone()
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # what cuDNN allocates at first must not be captured
        for _ in range(3):
            run(image)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        scores = run(image)

    def replay(images: Tensor) -> Scores:
        image.copy_(images)
        graph.replay()
        return scores

    replay.held = run  # type: ignore[attr-defined]  # the graph reads the net's weights, and does not keep them alive
    return replay


def first_call(run: Callable[[Tensor], Scores], example: Tensor) -> float:
    """The seconds that a pass takes for the first time."""
    device = str(example.device)
    synchronize(device)
    started = time.perf_counter()
    run(example)
    synchronize(device)
    return time.perf_counter() - started


def build_step(net: FCN, experiment: str, precision: str, example: Tensor) -> Callable[[Tensor], Tensor]:
    """A step of training: images (N, C, H, W) -> their loss, after the weights have changed by its gradient.

    The optimizer is the experiment's, with one update a step whatever it accumulates. Labels are random, none is void.
    In `bf16` the forward pass runs under autocast and weights stay fp32, as they must for their small updates. The net
    is put in training mode.

    Args:
        example: images of the size that will be timed.
    """
    device = example.device
    config = config_of(experiment)
    config.optim_wrapper.pop("accumulative_counts", None)
    optimizer = build_optim_wrapper(net.train(), config.optim_wrapper)
    samples = [SegDataSample() for _ in example]
    for name, head in net.heads.items():
        for sample in samples:
            labels = torch.randint(head.num_classes, (1, *example.shape[-2:]), device=device)
            sample.set_field(PixelData(data=labels), TRUTHS[name], dtype=PixelData)

    def step(images: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext():
            losses = net(images, samples, mode="loss")
        loss, _ = net.parse_losses(losses)
        optimizer.update_params(loss)
        return loss.detach()

    return step


def largest_difference(scores: Scores, reference: Scores) -> float:
    """The largest difference of two nets' scores at any pixel, as a share of the reference's largest score.

    Raises:
        ValueError: a score that is not finite.
    """
    worst = 0.0
    for ours, theirs in zip(_all(scores), _all(reference), strict=True):
        ours, theirs = ours.double(), theirs.double()
        if not (ours.isfinite().all() and theirs.isfinite().all()):
            raise ValueError("the scores are not finite")
        worst = max(worst, ((ours - theirs).abs().max() / theirs.abs().max()).item())
    return worst


def _all(scores: Scores) -> Sequence[Tensor]:
    return scores if isinstance(scores, tuple) else (scores,)
