"""Any experiment on drawn data: the same net an eighth as wide, the same stages, minutes instead of days."""

from pathlib import Path

from mmengine.config import Config
from mmengine.optim import LinearLR

from repro.hooks import ChannelsLast
from repro.label_sets import HEADS

WIDTH = 1 / 8
FIRST, FINER = 800, 300  # iterations of a stage that starts from a classifier, and of one that refines a net
IMAGES = 20  # of the CVPR recipe's updates, for each of which the sample's take one


def shrink(config: Config, finer: bool) -> None:
    """Give an experiment's config the settings of the sample, in place.

    The graph, the loader and the order of the stages stay. As in the group `sample`, the net is narrow and has no
    dropout, the loss is a mean, an update takes one image where the CVPR recipe's takes 20, and a finer net's new
    score layers learn ten times as fast.

    Args:
        finer: whether the experiment starts from segmentation nets, not from a classifier.
    """
    backbone = config.model.backbone
    backbone.get("stream", backbone).update(width=WIDTH, dropout=0)
    heads = [config.model[part] for part in HEADS.values() if config.model.get(part)]
    for head in heads:
        head.loss.update(reduction="mean")
    # two mean losses pull twice as hard as one
    config.optim_wrapper.optimizer.update(lr=(3e-4 if finer else 3e-3) / len(heads), momentum=0.9)
    images = config.optim_wrapper.get("accumulative_counts", 1)
    config.optim_wrapper.accumulative_counts = max(1, images // IMAGES)
    config.train_cfg.update(max_iters=FINER if finer else FIRST, val_interval=1_000_000)
    if finer:
        config.optim_wrapper.paramwise_cfg.setdefault("custom_keys", {})["score_pool"] = {"lr_mult": 10}
    else:
        config.param_scheduler = {
            "type": LinearLR, "start_factor": 1, "end_factor": 0.1, "end": FIRST, "by_epoch": False
        }  # fmt: skip
    config.custom_hooks.append({"type": ChannelsLast})
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.data_root = f"data/{folder_of(Path(loader.dataset.data_root).name)}"


def folder_of(dataset: str) -> str:
    """The folder, under `data/`, of the drawn look-alike of a dataset."""
    return "sample" if dataset == "voc2011" else f"sample_{dataset}"
