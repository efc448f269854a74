"""A training that is interrupted and started again ends as if nothing had happened, or says why it cannot."""

import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.fileio import LocalBackend

from repro import experiments
from repro.errors import UserError
from repro.models.classifier import Classifier
from repro.models.segmentor import FCN
from repro.train import find_checkpoints, train
from repro.weights import store

NET = "sample/fcn16s_vgg16"
STEPS = 6


@pytest.fixture(scope="module")
def options(tiny: dict[str, Any]) -> dict[str, Any]:
    """Dropout makes the random state matter, whatever the experiment has."""
    dropout = {"model.backbone.dropout": 0.5}
    return tiny | dropout | {"train_cfg.max_iters": STEPS, "default_hooks.checkpoint.interval": 2}


@pytest.fixture(scope="module")
def run(
    drawn: Path, trained: Path, options: dict[str, Any], dismiss_workers: Callable[[], None]
) -> Callable[..., store.Weights]:
    """Train FCN-16s, or what is left of it, in a folder; gives its weights."""

    def train_it(folder: Path, name: str = NET, seed: int | None = None, **changed) -> store.Weights:
        start = [] if "classifier" in name else [trained / "sample/fcn32s_vgg16/weights.pth"]
        card = experiments.get(name)
        path = train(card, work_dirs=folder, data_root=drawn, start=start, options=options | changed, seed=seed)
        dismiss_workers()
        return store.load(path)

    return train_it


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of an uninterrupted training's weights."""
    return run(tmp_path_factory.mktemp("whole")).sha256


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch, dismiss_workers: Callable[[], None]) -> Callable[..., None]:
    """Run something, and press Ctrl-C at the beginning of a step."""

    def interrupt_it(step: int, action: Callable[[], object], model: type = FCN) -> None:
        original, taken = model.train_step, []  # type: ignore[attr-defined]

        def interrupted(self, *args, **kwargs):
            taken.append(1)
            if len(taken) == step:
                raise KeyboardInterrupt
            return original(self, *args, **kwargs)

        with monkeypatch.context() as patched:
            patched.setattr(model, "train_step", interrupted)
            with pytest.raises(KeyboardInterrupt):
                action()
        dismiss_workers()
        # another process knows nothing of this one's random state
        random.seed(99)
        torch.manual_seed(99)

    return interrupt_it


@pytest.fixture
def half(run, interrupt, tmp_path) -> Path:
    """The folder of a training that was interrupted after four of six steps."""
    interrupt(5, lambda: run(tmp_path / "half"))
    assert not (tmp_path / "half" / NET / "weights.pth").exists()
    return tmp_path / "half"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_training_ends_bit_equal(run, whole, interrupt, tmp_path, workers):
    """With any number of loader processes; an uninterrupted training without any is what all are compared with."""
    loaders = {"train_dataloader.num_workers": workers, "train_dataloader.persistent_workers": workers > 0}
    interrupt(5, lambda: run(tmp_path, **loaders))
    assert find_checkpoints(tmp_path / NET)[-1].name == "iter_4.pth"
    assert run(tmp_path, **loaders).sha256 == whole
    assert not find_checkpoints(tmp_path / NET)


def test_the_time_of_all_runs_is_counted_up_to_their_checkpoints(run, half):
    checkpoint = torch.load(find_checkpoints(half / NET)[-1], weights_only=True)
    assert checkpoint["seconds"] > 0
    whole = run(half)
    assert whole.training["seconds"] > checkpoint["seconds"]


def test_it_takes_the_random_state_to_be_bit_equal(run, whole, half):
    """Dropout draws at every step: were its state not restored, the test above could not tell."""
    checkpoint = find_checkpoints(half / NET)[-1]
    content = torch.load(checkpoint, weights_only=True)
    del content["random"]
    torch.save(content, checkpoint)
    assert run(half).sha256 != whole


def test_gradients_accumulated_over_images_resume_too(run, whole, interrupt, tmp_path):
    accumulated = {"optim_wrapper.accumulative_counts": 2}
    uninterrupted = run(tmp_path / "whole", **accumulated).sha256
    assert uninterrupted != whole, "the setting does something"
    interrupt(6, lambda: run(tmp_path / "parts", **accumulated))
    assert run(tmp_path / "parts", **accumulated).sha256 == uninterrupted


def test_sampled_patches_resume_too(run, interrupt, tmp_path):
    """Which cells are left out is drawn at every step; without dropout nothing else is."""
    sampled = {"model.backbone.dropout": 0, "model.decode_head.loss.sampled": 0.5}
    uninterrupted = run(tmp_path / "whole", **sampled).sha256
    assert uninterrupted != run(tmp_path / "all", **{"model.backbone.dropout": 0}).sha256, "the setting does something"
    interrupt(5, lambda: run(tmp_path / "parts", **sampled))
    assert run(tmp_path / "parts", **sampled).sha256 == uninterrupted


def test_the_classifier_resumes_in_the_middle_of_its_draws(run, interrupt, tmp_path):
    """Its batches hold 16 crops: a resumed sampler skips images, not iterations."""
    uninterrupted = run(tmp_path / "whole", "sample/classifier_vgg16").sha256
    interrupt(4, lambda: run(tmp_path / "parts", "sample/classifier_vgg16"), Classifier)
    assert run(tmp_path / "parts", "sample/classifier_vgg16").sha256 == uninterrupted


def test_two_interruptions_and_a_moved_folder(run, whole, half, interrupt, tmp_path):
    shutil.move(half, tmp_path / "moved")
    interrupt(2, lambda: run(tmp_path / "moved"))
    assert run(tmp_path / "moved").sha256 == whole


def test_ctrl_c_is_told_in_one_line(command, drawn, trained, options, interrupt, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(FCN, "train_step", stop)
    start = trained / "sample/fcn32s_vgg16/weights.pth"
    outcome = command("train", NET, "--data", drawn, "--work-dirs", tmp_path, "--start", start, options=options)
    assert outcome.code == 130 and "Traceback" not in outcome.err
    assert outcome.err.endswith(
        "repro: interrupted; a training goes on from its checkpoint, a timing keeps what it has timed\n"
    )


def test_a_truncated_checkpoint_is_named(run, half):
    checkpoint = find_checkpoints(half / NET)[-1]
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1000])
    with pytest.raises(UserError, match=f"cannot resume from .*{checkpoint.name}.* delete it") as caught:
        run(half)
    assert "\n" not in str(caught.value)
    checkpoint.unlink()
    assert run(half).training["iterations"] == STEPS


class Poison:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_poisoned_checkpoint_runs_nothing(run, half, tmp_path, zipped):
    checkpoint = find_checkpoints(half / NET)[-1]
    content = torch.load(checkpoint, weights_only=True) | {"message_hub": Poison(tmp_path / "owned")}
    if zipped:
        torch.save(content, checkpoint)
    else:
        checkpoint.write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match="cannot resume from"):
        run(half)
    assert not (tmp_path / "owned").exists()
    torch.load(checkpoint, weights_only=False) if zipped else pickle.loads(checkpoint.read_bytes())
    assert (tmp_path / "owned").exists(), "the poison works, where it is let in"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"optim_wrapper.optimizer.lr": 0.002}, "another config_sha256"),
        ({"seed": 2}, "another seed"),
    ],
)
def test_another_run_in_the_same_folder_is_refused_and_nothing_lost(run, half, changed, named):
    before = {path: path.read_bytes() for path in half.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=named) as caught:
        run(half, **changed)
    assert "delete that folder" in str(caught.value) and "--work-dirs" in str(caught.value)
    assert {path: path.read_bytes() for path in half.rglob("*") if path.is_file()} == before
    finished = run(half)
    with pytest.raises(UserError, match=named):
        run(half, **changed)
    assert run(half).sha256 == finished.sha256


def test_another_parent_or_dataset_is_refused(run, half, drawn, trained, options, tmp_path):
    card, start = experiments.get(NET), [trained / "sample/fcn32s_vgg16/weights.pth"]
    with pytest.raises(UserError, match="another parent_sha256"):
        train(
            card,
            work_dirs=half,
            data_root=drawn,
            start=[trained / "sample/fcn16s_vgg16/weights.pth"],
            options=options,
        )
    shutil.copytree(drawn, tmp_path / "elsewhere")
    with pytest.raises(UserError, match="another dataset"):
        train(card, work_dirs=half, data_root=tmp_path / "elsewhere", start=start, options=options)
    assert run(half).training["iterations"] == STEPS


def test_a_run_that_never_began_claims_no_folder(run, drawn, trained, options, tmp_path):
    with pytest.raises(UserError, match="missing"):
        train(
            experiments.get(NET),
            work_dirs=tmp_path,
            data_root=tmp_path / "nowhere",
            start=[trained / "sample/fcn32s_vgg16/weights.pth"],
            options=options | {"train_cfg.max_iters": 1},
        )
    assert run(tmp_path).training["iterations"] == STEPS


def test_a_checkpoint_that_does_not_fit_on_the_disk_costs_no_earlier_one(run, whole, monkeypatch, tmp_path):
    put, written = LocalBackend.put, []

    def full(self, obj, path):
        if not str(path).endswith(".pth"):
            return put(self, obj, path)
        written.append(path)
        if len(written) == 2:
            put(self, obj[: len(obj) // 2], path)
            raise OSError(28, "No space left on device")
        return put(self, obj, path)

    with monkeypatch.context() as patched:
        patched.setattr(LocalBackend, "put", full)
        with pytest.raises(UserError, match="No space left on device"):
            run(tmp_path)
    left = [path for path in (tmp_path / NET).iterdir() if path.suffix == ".pth"]
    assert [path.name for path in left] == ["iter_2.pth"], "no half of a checkpoint, and the one before still there"
    assert run(tmp_path).sha256 == whole
