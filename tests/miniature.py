"""Miniatures of the published archives: drawn in the official layouts, packed as their authors do."""

import io
import tarfile
import zipfile
from pathlib import Path

import torch
from mmseg.registry import MODELS

from repro import experiments
from repro.data.sample import nyudv2, pascal_context, siftflow, voc
from repro.data.sample.scene import draw_scene
from repro.settings import load_config
from repro.weights import store


def archives(dataset: str, folder: Path, train: int = 8, val: int = 2) -> dict[str, bytes]:
    """The archives of a dataset, by name, over so many drawn images; `folder` is for what they are packed from."""
    if dataset == "nyudv2":
        scenes = [draw_scene(0, index, nyudv2.SIZE) for index in range(train + val)]
        nyudv2.draw_gupta(folder / "nyud", scenes, train)
        return {"nyud.tar.gz": _tar(folder, "nyud", mode="w:gz")}
    official = folder / "official"
    if dataset == "voc2011":
        voc.write_voc(folder, train=train, val=val)
        return {
            "VOCtrainval_25-May-2011.tar": _tar(official, "VOCdevkit", prefix="TrainVal/"),
            "benchmark.tgz": _tar(official, "benchmark_RELEASE", mode="w:gz"),
        }
    if dataset == "siftflow":
        siftflow.write_siftflow(folder, train=train, val=val)
        return {"SiftFlowDataset.zip": _zip(official)}
    if dataset == "pascal_context":
        pascal_context.write_pascal_context(folder, train=train, val=val)
        return {
            "VOCtrainval_03-May-2010.tar": _tar(official, "VOCdevkit"),
            "trainval.tar.gz": _tar(official, "trainval", "labels.txt", mode="w:gz"),
        }
    raise ValueError(dataset)


def save_classifiers(folder: Path, width: float = 1) -> None:
    """Stand-ins for the three converted ILSVRC classifiers, with random weights, in `<folder>/weights/ilsvrc`."""
    for name, stem in (("vgg16", "vgg16"), ("caffenet", "alexnet"), ("googlenet", "googlenet")):
        torch.manual_seed(0)
        config = load_config(experiments.get(f"voc2011/fcn32s_{stem}")).model
        net = MODELS.build({**config, "backbone": {**config.backbone, "width": width}})
        tensors = {key: value for key, value in net.state_dict().items() if key.startswith("backbone.")}
        weights = store.Weights(tensors, experiment=f"ilsvrc/{name}", source="random, for tests")
        store.save(weights, folder / "weights" / "ilsvrc" / f"{name}.pth")


def _tar(folder: Path, *names: str, mode: str = "w", prefix: str = "") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload]
        for name in names:
            archive.add(folder / name, f"{prefix}{name}")
    return packed.getvalue()


def _zip(folder: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return packed.getvalue()
