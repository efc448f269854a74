"""What a user can get wrong, each through the real command: one clear line, exit code 2, nothing half-written."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from repro.files import atomic
from repro.weights import store

NET = "sample/fcn32s_vgg16"
FULL = OSError(28, "No space left on device")


@pytest.fixture
def data(drawn: Path, tmp_path: Path) -> Path:
    """A copy of the dataset that a test may damage."""
    shutil.copytree(drawn, tmp_path / "sample", ignore=shutil.ignore_patterns("official"))
    return tmp_path / "sample"


@pytest.fixture
def train(command, drawn, trained, tiny, tmp_path) -> Callable[..., str]:
    """Train FCN-32s by the command, which must fail; gives its complaint."""

    def run(name=NET, data=drawn, start=None, work_dirs=tmp_path / "runs", **options) -> str:
        start = start or trained / "sample/classifier_vgg16/weights.pth"
        arguments = ("train", name, "--data", data, "--work-dirs", work_dirs, "--start", start)
        complaint = command(*arguments, options=tiny | options).complaint
        assert not list(tmp_path.glob("runs/**/weights.pth")), "nothing half-written"
        return complaint

    return run


@pytest.fixture
def evaluate(command, drawn, trained, tiny, tmp_path) -> Callable[..., str]:
    """Score FCN-32s by the command, which must fail; gives its complaint."""

    def run(name=NET, data=drawn, weights=trained / NET / "weights.pth", work_dirs=tmp_path / "runs", **options) -> str:
        arguments = ("evaluate", name, "--data", data, "--work-dirs", work_dirs, "--weights", weights)
        complaint = command(*arguments, options=tiny | options).complaint
        assert not list(tmp_path.glob("runs/records/*")), "nothing half-written"
        return complaint

    return run


@pytest.fixture
def predict(command, trained, tiny, tmp_path) -> Callable[..., str]:
    """Label images by the command, which must fail; gives its complaint."""

    def run(*images: Path, name=NET, weights=trained / NET / "weights.pth", out=tmp_path / "out", more=()) -> str:
        arguments = ("predict", *images, "--experiment", name, "--weights", weights, "--out", out, *more)
        complaint = command(*arguments, options=tiny).complaint
        assert not list(tmp_path.glob("out/*")), "nothing half-written"
        return complaint

    return run


@pytest.fixture
def photo(drawn: Path) -> Path:
    return min((drawn / "JPEGImages").iterdir())


@pytest.mark.parametrize("verb", ["train", "evaluate"])
def test_unknown_experiment(command, verb):
    complaint = command(verb, "sample/fcn16_vgg16").complaint
    assert "unknown experiment 'sample/fcn16_vgg16'" in complaint and "sample/fcn16s_vgg16" in complaint


def test_unknown_group_and_dataset(command):
    assert "did you mean voc2011" in command("reproduce", "voc2012").complaint
    assert "unknown dataset 'voc12'; there are voc2011, nyudv2" in command("prepare", "voc12").complaint


@pytest.mark.parametrize("verb", ["train", "evaluate", "reproduce"])
def test_unknown_option(command, verb, drawn, tmp_path):
    target = "sample" if verb == "reproduce" else NET
    arguments = (verb, target, "--data", drawn, "--work-dirs", tmp_path)
    complaint = command(*arguments, options={"train_cfg.max_iter": 3}).complaint
    assert "setting 'train_cfg.max_iter'" in complaint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("train_cfg.max_iters", "key=value"),
        ("train_cfg.max_iters=many", "'many' does not fit"),
        ("train_cfg.max_iters=2.5", "should be a integer"),
        ("optim_wrapper.optimizer.lr=fast", "'fast' does not fit"),
        ("optim_wrapper.optimizer.lr=-1", "Invalid learning rate"),
        ("model.decode_head.fuse=('pool9',)", "the trunk has no map pool9; it has pool1"),
        ("model.backbone.dropout=3", "dropout probability"),
        ("train_dataloader.batch_size=0", "batch_size"),
    ],
)
def test_malformed_option(command, drawn, trained, tmp_path, option, named):
    start = trained / "sample/classifier_vgg16/weights.pth"
    arguments = ("train", NET, "--data", drawn, "--work-dirs", tmp_path, "--start", start)
    assert named in command(*arguments, "--cfg-options", option).complaint
    assert not list(tmp_path.rglob("*.pth")) and not list(tmp_path.rglob("stage.json"))


@pytest.mark.parametrize(
    "arguments", [("train",), ("fly",), ("train", NET, "--speed", "9"), ("train", NET, "--launcher", "rocket")]
)
def test_usage_errors_exit_2_as_well(command, arguments):
    outcome = command(*arguments)
    assert outcome.code == 2 and "Traceback" not in outcome.err and "Usage: repro" in outcome.err


def test_a_launcher_that_started_nothing(train, command, drawn, tmp_path, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    arguments = ("train", "sample/classifier_vgg16", "--data", drawn, "--work-dirs", tmp_path)
    assert "torchrun" in command(*arguments, "--launcher", "pytorch").complaint


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("model = (", "no Python file"),
        ("model = dict()\n", "no experiment"),
        ('"""A net."""\nexperiment = dict(recipes="sample")\n', "plain values"),
        ('"""A net."""\nexperiment = dict(recipe=1 / 0)\n', "plain values"),
        ('"""A net."""\nexperiment = dict(recipe="sample")\nmodel = dict()\n', "lacks train_dataloader"),
        ('"""A net."""\nexperiment = dict(recipe="sample")\nmodel = 1 / 0\n', "does not load"),
    ],
)
def test_a_config_of_the_users_own_that_is_none(command, tmp_path, text, named):
    (tmp_path / "mine.py").write_text(text)
    complaint = command("train", tmp_path / "mine.py", "--work-dirs", tmp_path / "runs").complaint
    assert named in complaint and "mine.py" in complaint
    assert not (tmp_path / "runs").exists()


def damage(folder: Path, action: Callable[[Path], object]) -> None:
    for path in folder.iterdir():
        action(path)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def resize(path: Path) -> None:
    with Image.open(path) as image:
        image.crop((0, 0, 40, 30)).save(path)


def mislabel(path: Path) -> None:
    with Image.open(path) as image:
        label = np.array(image)
        palette = image.getpalette()
    label[3, 3] = 77
    changed = Image.fromarray(label)
    changed.putpalette(palette or [])
    changed.save(path)


def test_missing_dataset_says_how_to_prepare_it(train, evaluate, command, tmp_path, monkeypatch, trained):
    assert "repro prepare" in train(data=tmp_path / "nowhere")
    assert "repro prepare" in evaluate(data=tmp_path / "nowhere")
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    start = trained / "sample/classifier_vgg16/weights.pth"
    complaint = command("train", NET, "--work-dirs", tmp_path / "runs", "--start", start).complaint
    assert str(tmp_path / "data/sample") in complaint and "repro prepare" in complaint


@pytest.mark.parametrize("name", [NET, "sample/classifier_vgg16"])
def test_missing_image(train, data, name):
    missing = min((data / "JPEGImages").iterdir())
    missing.unlink()
    assert missing.stem in train(name, data=data)


@pytest.mark.parametrize("workers", [0, 2])
def test_truncated_image(train, evaluate, data, workers):
    damage(data / "JPEGImages", truncate)
    loaders = {f"{name}_dataloader.num_workers": workers for name in ("train", "val")}
    for complaint in (train(data=data, **{"train_dataloader.num_workers": workers}), evaluate(data=data, **loaders)):
        assert "cannot be read" in complaint and "JPEGImages" in complaint and ".jpg" in complaint


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("action", "named"), [(resize, "40x30 pixels"), (mislabel, "class ids 77")])
def test_label_of_another_size_or_with_an_unknown_class(train, data, action, named, workers):
    damage(data / "SegmentationClassSBD", action)
    complaint = train(data=data, **{"train_dataloader.num_workers": workers})
    assert named in complaint and "SegmentationClassSBD" in complaint


def test_empty_list(train, evaluate, data):
    for name in ("sbd_train", "seg11valid"):
        (data / f"ImageSets/Segmentation/{name}.txt").write_text("\n")
    assert "sbd_train.txt is empty" in train(data=data)
    assert "seg11valid.txt is empty" in evaluate(data=data)


def test_images_of_different_sizes_in_one_batch(train):
    assert "accumulative_counts" in train(**{"train_dataloader.batch_size": 4})


class Poison:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


def test_weights_of_another_net(train, evaluate, predict, trained, tmp_path, photo):
    other = tmp_path / "other.pth"
    store.save(store.Weights({"backbone.conv1.weight": torch.zeros(3)}), other)
    classifier = trained / "sample/classifier_vgg16/weights.pth"
    finer = trained / "sample/fcn16s_vgg16/weights.pth"
    for complaint in (train(start=other), evaluate(weights=classifier), predict(photo, weights=finer)):
        assert "another net" in complaint
    assert "misshapen" in evaluate(**{"model.backbone.width": 0.03125}), "another width is another net"


@pytest.mark.parametrize("verb", ["train", "evaluate", "predict"])
def test_poisoned_weights_run_nothing(request, tmp_path, photo, verb):
    poisoned = tmp_path / "poisoned.pth"
    torch.save({"backbone.conv1_1.weight": Poison(tmp_path / "owned")}, poisoned)
    run = request.getfixturevalue(verb)
    images, argument = ((photo,) if verb == "predict" else ()), ("start" if verb == "train" else "weights")
    assert "refused" in run(*images, **{argument: poisoned})
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a zip", b"text\n"])
def test_weights_that_are_none(evaluate, tmp_path, content):
    (tmp_path / "w.pth").write_bytes(content)
    assert str(tmp_path / "w.pth") in evaluate(weights=tmp_path / "w.pth")


def test_truncated_weights(evaluate, trained, tmp_path):
    shutil.copyfile(trained / NET / "weights.pth", tmp_path / "w.pth")
    truncate(tmp_path / "w.pth")
    assert "truncated" in evaluate(weights=tmp_path / "w.pth")


def test_missing_weights(command, evaluate, predict, train, tmp_path, photo, drawn):
    assert "no weights file at" in evaluate(weights=tmp_path / "none.pth")
    assert "no weights file at" in predict(photo, weights=tmp_path / "none.pth")
    assert "no weights file at" in train(start=tmp_path / "none.pth")
    runs = ("--work-dirs", tmp_path / "runs")
    untrained = command("evaluate", NET, "--data", drawn, *runs).complaint
    assert str(tmp_path / "runs" / NET / "weights.pth") in untrained and "train it first" in untrained
    assert "train it first" in command("predict", photo, "--experiment", NET, *runs, "--out", tmp_path / "o").complaint
    assert not (tmp_path / "runs").exists() and not (tmp_path / "o").exists()


def test_parent_not_trained(command, drawn, tmp_path, monkeypatch):
    runs = ("--work-dirs", tmp_path / "runs")
    complaint = command("train", "sample/fcn16s_vgg16", "--data", drawn, *runs).complaint
    assert "repro train sample/fcn32s_vgg16" in complaint and "--start" in complaint
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    complaint = command("train", "voc2011/fcn32s_vgg16", *runs).complaint
    assert str(tmp_path / "data/weights/ilsvrc/vgg16.pth") in complaint
    assert not (tmp_path / "runs").exists()


def test_a_classifier_is_not_scored(evaluate, trained):
    assert "classifier" in evaluate("sample/classifier_vgg16", weights=trained / "sample/classifier_vgg16/weights.pth")


def test_output_folder_that_cannot_be_one(train, evaluate, predict, tmp_path, photo):
    """A path below a regular file: what a read-only folder is to everyone but root."""
    (tmp_path / "file").write_text("in the way")
    for below in (tmp_path / "file", tmp_path / "file" / "deeper"):
        for complaint in (train(work_dirs=below), evaluate(work_dirs=below), predict(photo, out=below)):
            assert "cannot write" in complaint and str(below) in complaint
    assert (tmp_path / "file").read_text() == "in the way"


def test_full_disk_while_weights_are_written(train, monkeypatch):
    save = torch.save

    def full(content, path, *arguments, **options):
        if not isinstance(path, Path):  # a checkpoint, into memory
            return save(content, path, *arguments, **options)
        path.write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc] PytorchStreamWriter failed writing file")

    monkeypatch.setattr(torch, "save", full)
    assert "cannot write" in train()


def test_full_disk_while_a_record_is_written(evaluate, monkeypatch):
    def full(self, content):
        self.write_text("half")
        raise FULL

    monkeypatch.setattr(Path, "write_bytes", full)
    assert "No space left on device" in evaluate()


def test_full_disk_while_a_label_map_is_written(predict, photo, monkeypatch):
    def full(self, path, *_, **__):
        Path(path).write_bytes(b"half")
        raise FULL

    monkeypatch.setattr(Image.Image, "save", full)
    assert "No space left on device" in predict(photo)


def test_full_disk_while_the_sample_is_drawn(command, tmp_path, monkeypatch):
    def full(self, path, *_, **__):
        raise FULL

    monkeypatch.setattr(Image.Image, "save", full)
    assert "No space left on device" in command("prepare", "sample", "--root", tmp_path / "sample").complaint
    assert not list(tmp_path.iterdir())


def test_an_atomic_file_leaves_the_old_one_when_it_fails(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(ZeroDivisionError), atomic(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]


def test_images_that_cannot_be_labelled(predict, photo, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.jpg").write_bytes(photo.read_bytes()[:300])
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "twice").mkdir()
    shutil.copyfile(photo, tmp_path / "twice" / photo.name)
    assert "no image in" in predict(tmp_path / "empty")
    assert "no such image" in predict(tmp_path / "nowhere.jpg")
    assert "broken.jpg cannot be read" in predict(tmp_path / "broken.jpg")
    assert "text.png cannot be read" in predict(tmp_path / "text.png")
    assert f"two images are called {photo.stem}" in predict(photo, tmp_path / "twice")


def test_a_heat_map_of_no_class(predict, photo, trained):
    complaint = predict(photo, more=("--heatmap", "unicorn"))
    assert "no class 'unicorn'" in complaint and "person" in complaint
    classifier = {"name": "sample/classifier_vgg16", "weights": trained / "sample/classifier_vgg16/weights.pth"}
    assert "--heatmap" in predict(photo, **classifier)


def test_a_loss_that_becomes_nan(train):
    complaint = train(**{"optim_wrapper.optimizer.lr": 1e6})
    assert "not finite at iteration 3" in complaint and "optim_wrapper.optimizer.lr" in complaint
    complaint = train(**{"optim_wrapper.optimizer.lr": 1e6, "train_cfg.max_iters": 50})
    assert "not finite at iteration 20" in complaint, "long before the end"
