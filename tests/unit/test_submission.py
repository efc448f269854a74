"""The archive for VOC's evaluation server: what lies where in it, that it repeats, and what is refused."""

import gzip
import io
import socket
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS
from PIL import Image

from repro import experiments, submission
from repro.data.images import colour_map, read_image
from repro.data.voc2011 import LISTS
from repro.errors import UserError
from repro.experiments import Experiment
from repro.predict import label_image, load
from repro.settings import load_config
from repro.submission import write_submission
from repro.weights import store

NET = "voc2011/fcn32s_vgg16"
NARROW = {"model.backbone.width": 1 / 16}
SIZES = {"2008_000002": (50, 37), "2011_000007": (33, 64), "2008_000001": (41, 41)}  # width, height
FOLDER = "results/VOC2011/Segmentation/comp6_test_cls"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a narrow FCN-32s whose predictions change over an image."""
    torch.manual_seed(0)
    net = MODELS.build(load_config(experiments.get(NET), NARROW).model)
    torch.nn.init.normal_(net.decode_head.score_fr.weight)
    path = tmp_path_factory.mktemp("weights") / "weights.pth"
    store.save(store.Weights(net.state_dict()), path)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """VOC's test images as the server gives them: no labels; some images that the list does not name."""
    root = tmp_path / "VOCdevkit/VOC2011"
    (root / "JPEGImages").mkdir(parents=True)
    (root / LISTS).mkdir(parents=True)
    generator = np.random.default_rng(0)
    for image_id, (width, height) in ({"2009_000001": (20, 20)} | SIZES).items():
        pixels = generator.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(root / f"JPEGImages/{image_id}.jpg")
    (root / LISTS / "test.txt").write_text("".join(f"{image_id}\n" for image_id in SIZES))
    return root


@pytest.fixture
def write(weights: Path, root: Path, tmp_path: Path) -> Callable[..., Path]:
    def write_it(name: str = "out.tar.gz", card: str | Experiment = NET, **changed: Any) -> Path:
        settings: dict[str, Any] = {"weights": weights, "data_root": root, "options": NARROW} | changed
        experiment = experiments.get(card) if isinstance(card, str) else card
        return write_submission(experiment, work_dirs=tmp_path, out=tmp_path / name, **settings)

    return write_it


def contents(path: Path) -> dict[str, bytes]:
    with tarfile.open(path, "r:gz") as archive:
        assert all(member.isfile() for member in archive)
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def test_it_holds_a_label_map_of_every_test_image_and_nothing_else(write, weights, root):
    found = contents(write())
    assert list(found) == [f"{FOLDER}/{image_id}.png" for image_id in sorted(SIZES)]
    net = load(NET, weights, NARROW)
    for name, png in found.items():
        image_id = Path(name).stem
        with Image.open(io.BytesIO(png)) as picture:
            assert picture.format == "PNG" and picture.mode == "P" and picture.size == SIZES[image_id]
            np.testing.assert_array_equal(np.reshape(picture.getpalette() or [], (-1, 3))[:21], colour_map(21))
            labels = np.array(picture)
        assert labels.max() <= 20 and len(np.unique(labels)) > 1
        np.testing.assert_array_equal(labels, label_image(net, read_image(root / f"JPEGImages/{image_id}.jpg")))


def test_the_year_is_that_of_the_folder(write, root):
    found = contents(write(data_root=root.rename(root.with_name("voc2012"))))
    assert {str(Path(name).parent) for name in found} == {FOLDER.replace("2011", "2012")}


def test_the_same_predictions_are_the_same_bytes(write, root, monkeypatch):
    first = write().read_bytes()
    later = time.time() + 1e6
    monkeypatch.setattr(time, "time", lambda: later)
    (root / LISTS / "test.txt").write_text("".join(f"{image_id}\n" for image_id in reversed(SIZES)))
    assert write("another_name.tgz").read_bytes() == first


def test_it_tells_nothing_of_who_made_it(write):
    path = write()
    with tarfile.open(path) as archive:
        for member in archive:
            assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")
    assert path.name.encode() not in gzip.decompress(path.read_bytes()) + path.read_bytes()[:100]


def test_nothing_is_sent(write, monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("the server is never called")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert write().is_file()


def test_the_trained_stage_is_taken_by_default(write, weights, tmp_path):
    expected = write().read_bytes()
    with pytest.raises(UserError, match=r"fcn32s_vgg16.weights.pth"):
        write(weights=None)
    (tmp_path / NET).mkdir(parents=True)
    (tmp_path / NET / "weights.pth").write_bytes(weights.read_bytes())
    assert write(weights=None).read_bytes() == expected


def test_a_failure_leaves_the_archive_before_it(write, root, tmp_path, monkeypatch):
    before = write().read_bytes()
    image = root / "JPEGImages/2011_000007.jpg"
    image.write_bytes(image.read_bytes()[:-200])
    with pytest.raises(UserError, match=r"image .*2011_000007.jpg cannot be read") as caught:
        write()
    assert "\n" not in str(caught.value)
    with monkeypatch.context() as patched:
        patched.setattr(submission, "label_image", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            write("second.tar.gz")
    assert (tmp_path / "out.tar.gz").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["VOCdevkit", "out.tar.gz"], "nothing half-written"


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda root: (root / LISTS / "test.txt").unlink(), r"there is no .*test.txt: .*server .*VOC2011test.tar"),
        (
            lambda root: (root / "JPEGImages/2008_000002.jpg").unlink(),
            r"lacks 1 test images: 2008_000002; .*server .* VOC2011test.tar .* --data",
        ),
        (lambda root: (root / LISTS / "test.txt").write_text(""), r"test.txt is empty"),
    ],
)
def test_missing_test_data_is_told_with_its_source(write, root, damage, named):
    damage(root)
    with pytest.raises(UserError, match=named) as caught:
        write()
    assert "\n" not in str(caught.value)


def test_a_folder_of_no_year_is_refused(write, root):
    with pytest.raises(UserError, match="call that folder VOC2011 or VOC2012"):
        write(data_root=root.rename(root.with_name("voc")))


@pytest.mark.parametrize("name", ["out.tar", "out.zip", "out.gz"])
def test_other_archives_are_refused(write, name):
    with pytest.raises(UserError, match=f"call {name} something that ends in .tar.gz"):
        write(name)


def test_what_does_not_label_vocs_classes_is_refused(write, tmp_path):
    with pytest.raises(UserError, match="sample/classifier_vgg16 does not label the 21 classes of VOC"):
        write(card="sample/classifier_vgg16", options=None)
    path = tmp_path / "foreign.py"
    path.write_text(
        '"""FCN-32s on another dataset."""\n'
        "from mmengine.config import read_base\n"
        "from mmseg.datasets import ADE20KDataset\n\n"
        "with read_base():\n"
        f"    from repro.configs.{NET.replace('/', '.')} import *\n\n"
        "test_dataloader.dataset.update(type=ADE20KDataset)\n"
        "experiment = dict(recipe='release', starts_from='ilsvrc/vgg16')\n"
    )
    with pytest.raises(UserError, match="does not label the 21 classes of VOC"):
        write(card=experiments.read_card(path))


def test_a_place_that_cannot_be_written_is_told_before_any_image_is_labelled(write, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(submission, "label_image", lambda *_: pytest.fail("too late"))
    with pytest.raises(UserError, match="cannot write"):
        write("file/out.tar.gz")
