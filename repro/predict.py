"""Label any image with a trained net, or draw the heat map of one class (Figure 2)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track

from repro import experiments
from repro.data.images import read_image, write_label
from repro.data.modalities import LoadHHA, StackDepth, StackHHA
from repro.errors import UserError
from repro.experiments import Experiment
from repro.files import atomic
from repro.label_sets import HEADS, label_set
from repro.models.segmentor import FCN, PREDICTIONS
from repro.report import figures
from repro.runner import use_ieee_fp32
from repro.settings import load_config
from repro.train import WEIGHTS
from repro.weights import store
from repro.weights.convolutionalize import as_scores

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".tif", ".tiff", ".webp")


def load(experiment: str | Experiment, weights: Path | str, options: Mapping[str, Any] | None = None) -> FCN:
    """An experiment's net with its weights, in eval mode, on the best device at hand.

    `net(x, mode="tensor")` takes preprocessed images (N, C, H, W) and gives scores (N, classes, H, W); of a net with
    two heads the pair (semantic, geometric). C is 3, BGR; 4 with log depth; 6 with HHA. A classifier comes
    convolutionalised: its labels' scores are laid over the image (section 3.1).

    Args:
        experiment: its name, a config file, or the experiment itself.
        options: the settings, by dotted key, that were changed when the weights were trained.

    Raises:
        UserError: an unknown experiment, or weights that are missing or of another net.
    """
    use_ieee_fp32()
    experiment = experiments.get(experiment) if isinstance(experiment, str) else experiment
    config = load_config(experiment, options).model
    scored = store.load(weights)
    if "num_classes" in config:  # a classifier
        config = {
            "type": FCN,
            "data_preprocessor": config.data_preprocessor,
            "backbone": {key: value for key, value in config.backbone.items() if key != "padding"},
            "decode_head": {
                "type": "SkipHead",
                "num_classes": config.num_classes,
                "loss": {"type": "PixelSoftmaxLoss", "reduction": "sum"},
            },
        }
        net = MODELS.build(config)
        store.hand_on(store.Weights(as_scores(scored.tensors)), net, weights)
    else:
        net = MODELS.build(config)
        store.load_into(scored, net, weights)
    return net.to(get_device()).eval()


def preprocess(net: FCN, image: NDArray[np.uint8]) -> torch.Tensor:
    """An image (H, W, 3), BGR, as the net takes it: (1, 3, H, W), minus the mean, on the net's device."""
    pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    return net.data_preprocessor({"inputs": [pixels]}, False)["inputs"]


@torch.inference_mode()
def label_item(net: FCN, item: dict[str, Any]) -> SegDataSample:
    """An item of a dataset as its pipeline packs it, labelled: `pred_sem_seg` and `pred_geo_seg`, each (1, H, W)."""
    batch = {"inputs": [item["inputs"]], "data_samples": [item["data_samples"]]}
    (sample,) = net(**net.data_preprocessor(batch, False), mode="predict")
    return sample


@torch.inference_mode()
def label_image(net: FCN, image: NDArray[np.uint8], head: str = "semantic") -> NDArray[np.uint8]:
    """The most probable class of every pixel by one of the net's heads, (H, W), of an image (H, W, 3), BGR."""
    (sample,) = net(preprocess(net, image), mode="predict")
    return sample.get(PREDICTIONS[head]).data[0].cpu().numpy().astype(np.uint8)


@torch.inference_mode()
def heat_map(net: FCN, image: NDArray[np.uint8], class_id: int, head: str = "semantic") -> NDArray[np.float32]:
    """The probability of a head's class at every coarse place, (~H/32, ~W/32), of an image (H, W, 3), BGR."""
    return net.coarse_scores(preprocess(net, image), head).softmax(dim=1)[0, class_id].cpu().numpy()


def predict(
    images: Sequence[Path],
    experiment: Experiment,
    *,
    work_dirs: Path,
    out: Path,
    weights: Path | None = None,
    heatmap: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write pictures for images and return their paths.

    Each image gives `<stem>.png`, a label map, and `<stem>_overlay.png`, the same in the dataset's colours over the
    image, and for geometric labels `<stem>_geometric.png` and `<stem>_geometric_overlay.png`; or, with `heatmap`, the
    coarse heat map of that class, `<stem>_<class>.png`.

    Args:
        images: files, or folders of files.
        weights: those of the finished stage when None.
        options: the settings that were changed when the weights were trained.

    Raises:
        UserError: a missing or broken image, an empty folder, two images of one name, `out` among the images, an
            unknown class, a net that reads depth, or a classifier asked for labels.
    """
    files = find_images(images)
    if out.resolve() in {file.resolve().parent for file in files}:
        raise UserError(f"the pictures would mix with the images in {out}, or replace them: choose another --out")
    config = load_config(experiment, options)
    refuse_depth(experiment, config)
    sets = label_sets(config)
    known = {name: head for head, (classes, _) in sets.items() for name in classes}
    if heatmap is not None and heatmap not in known:
        raise UserError(f"{experiment.name} knows no class {heatmap!r}; it knows {', '.join(known)}")
    if heatmap is None and "num_classes" in config.model:
        raise UserError(f"{experiment.name} is a classifier: ask for the heat map of a class with --heatmap CLASS")
    net = load(experiment, weights or work_dirs / experiment.name / WEIGHTS, options)
    written = []
    for file in track(files, "predict", console=Console(stderr=True)):
        image = read_image(file)
        if heatmap is not None:
            head = known[heatmap]
            probabilities = heat_map(net, image, sets[head][0].index(heatmap), head)
            written.append(out / f"{file.stem}_{heatmap}.png")
            figures.heat(image[..., ::-1], probabilities, heatmap, written[-1])
            continue
        for head, (_, palette) in sets.items():
            stem = file.stem if head == "semantic" else f"{file.stem}_{head}"
            labels = label_image(net, image, head)
            write_label(out / f"{stem}.png", labels)
            overlay = (image[..., ::-1] // 2 + figures.colour(labels, palette) // 2).astype(np.uint8)
            with atomic(out / f"{stem}_overlay.png") as temporary:
                Image.fromarray(overlay).save(temporary)
            written += [out / f"{stem}.png", out / f"{stem}_overlay.png"]
    return written


def label_sets(config: Config) -> dict[str, tuple[list[str], Sequence[Sequence[int]]]]:
    """Classes and palette of each label set that a net scores, by its head."""
    metainfo = config.train_dataloader.dataset.type.METAINFO
    return {
        head: label_set(metainfo, head)
        for head, part in HEADS.items()
        if config.model.get(part) or (head == "semantic" and "num_classes" in config.model)
    }


def refuse_depth(experiment: Experiment, config: Config) -> None:
    """Raise a UserError if a net reads more than photographs."""
    steps = [step["type"] for step in config.train_dataloader.dataset.pipeline]
    if beside := [step for step in steps if step in (StackDepth, StackHHA, LoadHHA)]:
        raise UserError(
            f"{experiment.name} reads depth ({beside[0].__name__}), which photographs lack: "
            f"score it on prepared images with `repro evaluate {experiment.name}`"
        )


def find_images(paths: Sequence[Path]) -> list[Path]:
    """The image files that are named, and those in the folders that are named, in alphabetical order.

    Raises:
        UserError: nothing there, a folder without images, or two files of one name.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
            if not found:
                raise UserError(f"no image in {path} (looked for {', '.join(SUFFIXES)})")
            files += found
        elif path.is_file():
            files.append(path)
        else:
            raise UserError(f"no such image: {path}")
    stems = [file.stem for file in files]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise UserError(
            f"two images are called {twice[0]}, and their pictures would be too: predict them into two folders"
        )
    return files
