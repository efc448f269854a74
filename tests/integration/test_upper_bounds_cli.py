"""`repro upper-bounds` on a few drawn masks: folders, zip files, records, and what a user can do wrong."""

import io
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from repro import records
from repro.data.images import write_label
from repro.data.splits import content_sha256, ids_sha256
from repro.records import Bounds
from repro.upper_bounds.masks import Mask, find
from repro.upper_bounds.measure import describe
from repro.upper_bounds.procedures import FACTORS, PROCEDURES


def draw(seed, height=41, width=55):
    rng = np.random.default_rng(seed)
    small = rng.choice([0, 0, 5, 15, 20, 255], (height // 8 + 1, width // 8 + 1)).astype(np.uint8)
    return np.kron(small, np.ones((8, 8), np.uint8))[:height, :width]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five masks with VOC's colours; not to be changed."""
    folder = tmp_path_factory.mktemp("masks")
    for number in range(5):
        write_label(folder / f"2007_{number:06}.png", draw(number, 41 + number))
    return folder


@pytest.fixture(scope="module")
def archive(folder, tmp_path_factory):
    """The same masks in a zip file, two levels deep, with what a Mac adds."""
    path = tmp_path_factory.mktemp("zip") / "masks.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("README.md", "no mask")
        for mask in sorted(folder.iterdir(), reverse=True):
            file.write(mask, f"a/SegmentationClass/{mask.name}")
            file.writestr(f"__MACOSX/a/SegmentationClass/._{mask.name}", "no mask either")
    return path


def read(work_dirs):
    (record,) = records.read_all_kinds(work_dirs / "records")
    assert isinstance(record, Bounds)
    return record


def test_a_folder_and_a_zip_of_it_give_the_same(command, folder, archive, tmp_path):
    outcome = command("upper-bounds", folder, "--work-dirs", tmp_path / "folder")
    assert outcome.code == 0, outcome.err
    named = command("upper-bounds", archive, "--work-dirs", tmp_path / "zip", "--dataset", "drawn", "--split", "five")
    assert named.code == 0, named.err
    one, other = read(tmp_path / "folder"), read(tmp_path / "zip")
    assert one.bounds == other.bounds
    assert (one.dataset.name, one.dataset.split) == ("labels", "all")
    assert (other.dataset.name, other.dataset.split) == ("drawn", "five")

    assert [(bound.procedure, bound.factor) for bound in one.bounds] == [
        (procedure.choices(), factor) for procedure in PROCEDURES for factor in FACTORS
    ]
    labels = np.concatenate([draw(n, 41 + n).ravel() for n in range(5)])
    truth = np.bincount(labels, minlength=256)[:21].tolist()
    assert all(bound.truth == truth for bound in one.bounds if bound.procedure["void"] != "background, scored")
    items = [{"img_id": path.stem, "seg_map_path": str(path)} for path in folder.iterdir()]
    assert one.dataset.images == 5 and one.dataset.ids_sha256 == ids_sha256(item["img_id"] for item in items)
    assert one.dataset.content_sha256 == other.dataset.content_sha256 == content_sha256(items)
    assert one.dataset.classes["semantic"][15] == "person"

    # a line for each procedure, and no verdict: these are not the paper's labels
    lines = outcome.out.splitlines()
    assert lines[0].split()[-9:] == ["128", "64", "32", "16", "8", "4", "off", "by", "written"]
    assert len([line for line in lines if line.rstrip().endswith(("before measuring", "after a look"))]) == len(
        PROCEDURES
    )
    assert "Procedure" not in outcome.out and "the paper" not in outcome.out


def test_the_ids_choose_and_order_does_not_matter(folder, archive):
    ids = ["2007_000003", "2007_000001"]
    assert [mask.id for mask in find([folder], ids)] == sorted(ids)
    assert [mask.data for mask in find([archive])] == [
        mask.data for mask in find(sorted(folder.iterdir(), reverse=True))
    ]


def png(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


BROKEN = {
    "colour": (png(np.zeros((9, 9, 3), np.uint8)), "is a colour image; a palette or grey PNG"),
    "class": (png(np.full((9, 9), 21, np.uint8)), "holds class ids 21; only 0 to 20 and 255"),
    "truncated": (png(draw(0))[:60], "cannot be read"),
    "void": (png(np.full((9, 9), 255, np.uint8)), None),
}


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("fault", ["colour", "class", "truncated"])
def test_a_bad_mask_is_named_and_nothing_is_written(command, folder, tmp_path, fault, kind):
    content, complaint = BROKEN[fault]
    masks = tmp_path / "masks"
    shutil.copytree(folder, masks)
    (masks / "2008_000001.png").write_bytes(content)
    place = masks
    if kind == "zip":
        place = tmp_path / "masks.zip"
        with zipfile.ZipFile(place, "w") as file:
            for mask in masks.iterdir():
                file.write(mask, mask.name)
    told = command("upper-bounds", place, "--work-dirs", tmp_path / "out").complaint
    assert f"{place}/2008_000001.png" in told and complaint in told
    assert not (tmp_path / "out").exists()


def test_what_is_no_set_of_masks_is_refused(command, folder, archive, tmp_path):
    (tmp_path / "empty").mkdir()
    out = ("--work-dirs", tmp_path / "out")
    assert "no label PNG" in command("upper-bounds", tmp_path / "empty", *out).complaint
    assert f"cannot read {tmp_path / 'absent'}" in command("upper-bounds", tmp_path / "absent", *out).complaint
    assert "several masks of 2007_000000" in command("upper-bounds", folder, archive, *out).complaint
    text = tmp_path / "text.txt"
    text.write_text("2007_000001\n2009_000009\n")
    assert "text.txt cannot be read" in command("upper-bounds", text, *out).complaint
    assert "1 masks are missing: 2009_000009" in command("upper-bounds", folder, "--ids", text, *out).complaint
    broken = tmp_path / "broken.zip"
    with zipfile.ZipFile(archive) as file:
        place = file.getinfo("a/SegmentationClass/2007_000002.png").header_offset + 80
    data = bytearray(archive.read_bytes())
    data[place] ^= 255
    broken.write_bytes(data)
    assert f"cannot read {broken}: " in command("upper-bounds", broken, *out).complaint
    assert "split 'a b'" in command("upper-bounds", folder, "--split", "a b", *out).complaint
    assert not (tmp_path / "out").exists()


def test_all_void_is_refused(command, tmp_path):
    (tmp_path / "a.png").write_bytes(BROKEN["void"][0])
    out = ("--work-dirs", tmp_path / "out")
    assert "all are void" in command("upper-bounds", tmp_path / "a.png", *out).complaint
    assert not (tmp_path / "out").exists()


def test_a_published_split_is_known_by_its_ids_alone(command, folder, tmp_path, monkeypatch):
    from repro.data.splits import Split
    from repro.data.voc2011 import VOC2011

    told = command("upper-bounds", folder, "--dataset", "voc2011", "--split", "seg11valid").complaint
    assert "has 5 ids, the published one 736" in told
    ids = ["b", "a"]
    monkeypatch.setitem(VOC2011.SPLITS, "seg11valid", Split(2, ids_sha256(ids)))
    masks = [Mask(name, "", name.encode()) for name in ids]
    found = describe(masks, "mine", "some")
    assert (found.name, found.split, found.images) == ("voc2011", "seg11valid", 2)
    assert describe(masks[:1], "mine", "some").name == "mine"
