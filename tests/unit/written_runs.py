"""What the tests of curves and figures share: trainings, as mmengine's own writers leave them."""

from mmengine.config import Config
from mmengine.visualization import LocalVisBackend

CONFIG = {
    "experiment": {"recipe": "release"},
    "train_dataloader": {"batch_size": 2, "num_workers": 0},
    "optim_wrapper": {"accumulative_counts": 20},
    "model": {"decode_head": {"loss": {"type": "PixelSoftmaxLoss", "sampled": 0.25}}},
}


def start(work_dirs, name="voc2011/fcn32s_vgg16", when="20260101_000000", losses=(), validations=(), config=None):
    """Write one start of a training; returns the folder with its scalars."""
    folder = work_dirs / name / when / "vis_data"
    backend = LocalVisBackend(str(folder))
    for step, loss in losses:
        backend.add_scalars({"loss": loss, "lr": 1e-3, "iter": step}, step=step)
    for step, iu in validations:
        backend.add_scalars({"mean_iu": iu, "data_time": 0.1}, step=step)
    backend.experiment  # noqa: B018  makes the folder, also without a scalar
    Config(config or CONFIG).dump(folder / "config.py")
    return folder
