"""Records come back as written, and whatever is not as written is refused by name. Provenance leaks no folder."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from repro import provenance, records
from repro.data.splits import ids_sha256
from repro.errors import UserError
from repro.metrics import ImageConfusions
from repro.records import Dataset, Record, Weights, schema
from repro.report.claims import checkout

PROVENANCE = {
    "commit": "a" * 40,
    "dirty": False,
    "versions": {"torch": "2.11.0"},
    "device": "A processor",
    "threads": 2,
    "precision": {},
    "seed": 1,
    "command": ["repro", "evaluate"],
    "platform": "Linux x86_64",
    "time": "2026-01-01T00:00:00+00:00",
}


def images(seed=0, number=4, classes=3):
    rng = np.random.default_rng(seed)
    return ImageConfusions.from_matrices(
        [(f"im{n}", rng.integers(0, 50, (classes, classes))) for n in range(number)], classes
    )


def record(found, **changes) -> Record:
    base = Record(
        experiment="voc2011/fcn16s_vgg16",
        recipe="release",
        claims=["caffe_release/voc2011/FCN-16s"],
        dataset=Dataset("voc2011", "seg11valid", 4, ids_sha256(found.ids), "0" * 64, {"semantic": ["a", "b", "c"]}),
        confusion={"semantic": found.total()},
        weights=Weights("b" * 64, None, "voc2011/fcn16s_vgg16"),
        config_sha256="c" * 64,
        training={"iterations": 100, "seed": 1},
        provenance=PROVENANCE,
    )
    return replace(base, **changes)


@pytest.fixture
def written(tmp_path):
    found = images()
    return records.write(record(found), {"semantic": found}, tmp_path / "m")


def reseal(path, change):
    """Change a record's JSON and give it the digest and the files of an honest one."""
    data = json.loads(path.read_text())
    change(data)
    old = data["id"]
    data["digest"] = schema.digest_of(data)
    data["id"] = old.rsplit(".", 1)[0] + "." + data["digest"][:8]
    for head, file in data["images_file"].items():
        (path.parent / file["name"]).rename(path.parent / f"{data['id']}.{head}.npz")
        file["name"] = f"{data['id']}.{head}.npz"
    path.unlink()
    path = path.with_name(f"{data['id']}.json")
    path.write_text(json.dumps(data))
    return path


def test_round_trip(written):
    found = records.read(written)
    expected = record(images())
    for name in ("experiment", "recipe", "claims", "dataset", "weights", "training", "provenance", "config_sha256"):
        assert getattr(found, name) == getattr(expected, name)
    np.testing.assert_array_equal(found.confusion["semantic"], expected.confusion["semantic"])
    assert found.confusion["semantic"].dtype == np.int64
    np.testing.assert_array_equal(found.images().total(), found.confusion["semantic"])
    assert found.id == written.stem
    assert found.id.startswith("voc2011-fcn16s_vgg16.voc2011.seg11valid.s1.")
    assert found.id.endswith(found.digest[:8])
    assert len(list(written.parent.iterdir())) == 2


def test_two_heads(tmp_path):
    semantic, geometric = images(1), images(2, classes=2)
    classes = {"semantic": ["a", "b", "c"], "geometric": ["d", "e"]}
    dataset = Dataset("siftflow", "test", 4, ids_sha256(semantic.ids), "0" * 64, classes)
    confusion = {"semantic": semantic.total(), "geometric": geometric.total()}
    both = {"semantic": semantic, "geometric": geometric}
    path = records.write(record(semantic, dataset=dataset, confusion=confusion), both, tmp_path)
    np.testing.assert_array_equal(records.read(path).images("geometric").total(), geometric.total())


def test_the_geometric_head_alone(tmp_path):
    found = images(classes=2)
    dataset = replace(record(found).dataset, classes={"geometric": ["d", "e"]})
    alone = record(found, dataset=dataset, confusion={"geometric": found.total()})
    path = records.write(alone, {"geometric": found}, tmp_path)
    assert list(records.read(path).confusion) == ["geometric"]
    with pytest.raises(UserError, match="semantic is missing"):  # its classes are not named
        records.write(replace(alone, confusion={"semantic": found.total()}), {"semantic": found}, tmp_path)


@pytest.mark.parametrize("parent", [None, "a" * 64, "a" * 64 + "+" + "b" * 64])
def test_weights_may_have_several_parents(tmp_path, parent):
    weights = Weights("b" * 64, parent, "nyudv2/fcn32s_rgb_hha")
    path = records.write(record(images(), weights=weights), {"semantic": images()}, tmp_path)
    assert records.read(path).weights == weights


def test_a_frame_is_kept_and_its_absence_leaves_no_trace(tmp_path, written):
    assert "frame" not in json.loads(written.read_text())["dataset"]
    assert records.read(written).dataset.frame is None
    framed = record(images(), dataset=replace(record(images()).dataset, frame="425x560"))
    assert records.read(records.write(framed, {"semantic": images()}, tmp_path)).dataset.frame == "425x560"
    other = replace(framed, dataset=replace(framed.dataset, frame="480x640"))
    assert records.write(other, {"semantic": images()}, tmp_path).name != framed.id
    assert len({records.read(path).digest for path in tmp_path.glob("*.json")}) == 2


def test_published_records_of_every_version_keep_their_digest():
    paths = sorted(checkout("tables", "records").rglob("*.json"))
    found = [records.read_any(path) for path in paths]
    assert {one.schema for one in found} >= {1, 3}
    for one, path in zip(found, paths, strict=True):
        data = one.to_json()
        assert data == json.loads(path.read_text(encoding="utf-8"))
        assert schema.digest_of(data) == one.digest


def test_a_matrix_row_stands_on_one_line(written):
    rows = images().total().tolist()
    text = written.read_text()
    assert all(str(row) in text for row in rows)
    assert text.endswith("}\n")


def test_writing_again_changes_nothing(written):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in written.parent.iterdir()}
    assert records.write(record(images()), {"semantic": images()}, written.parent) == written
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in written.parent.iterdir()} == before


@pytest.mark.parametrize("suffix", [".json", ".semantic.npz"])
def test_another_file_is_never_overwritten(written, suffix):
    victim = written.with_name(written.stem + suffix)
    victim.write_bytes(b"mine")
    with pytest.raises(UserError, match="append-only"):
        records.write(record(images()), {"semantic": images()}, written.parent)
    assert victim.read_bytes() == b"mine"


def test_nothing_is_written_when_the_sum_is_wrong(tmp_path):
    with pytest.raises(UserError, match="do not sum"):
        records.write(record(images(0)), {"semantic": images(1)}, tmp_path / "m")
    with pytest.raises(UserError, match="not over the split"):
        found = images()
        records.write(record(found, dataset=replace(record(found).dataset, images=5)), {"semantic": found}, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"experiment": "../../etc/x"},
        {"claims": ["no key"]},
        {"config_sha256": "short"},
        {"training": {"iterations": 3}},
        {"training": {"iterations": 3, "seed": 1, "loss": float("nan")}},
        {"training": {"iterations": 3, "seed": 1, "path": Path("x")}},
        {"provenance": {}},
        {"confusion": {}},
        {"confusion": {"semantic": -images().total()}},
    ],
)
def test_the_writer_keeps_the_readers_rules(tmp_path, changes):
    found = images()
    with pytest.raises(UserError):
        records.write(record(found, **changes), {"semantic": found}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        records.write(record(images()), {"semantic": images()}, tmp_path / "file")


def change(data, path, value):
    *folders, name = path.split(".")
    for folder in folders:
        data = data[folder]
    if value is None:
        del data[name]
    else:
        data[name] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schema", 4, "schema 4 is newer"),
        ("schema", None, "schema is missing"),
        ("kind", "weather", "unknown kind"),
        ("recipe", None, "recipe is missing"),
        ("dataset.images", None, "dataset.images is missing"),
        ("provenance.commit", None, "provenance.commit is missing"),
        ("training.seed", None, "training.seed is missing"),
        ("surprise", 1, "unknown field surprise"),
        ("dataset.surprise", 1, "unknown field dataset.surprise"),
        ("provenance.dirty", "no", "dirty"),
        ("claims", "a/b/c", "claims is str, not list"),
        ("weights.sha256", "x", "weights.sha256"),
        ("confusion.semantic", [[1]], "not 3 x 3"),
        ("confusion.semantic", [[1, 2, 3.0], [0, 0, 0], [0, 0, 0]], "non-negative integers"),
        ("confusion.semantic", [[2**70, 0, 0], [0, 0, 0], [0, 0, 0]], "64 bits"),
        ("confusion.semantic", [[2, 0, 0], [0, 0, 0], [0, 0, 0]], "do not sum"),
        ("dataset.images", 5, "not over the split"),
        ("dataset.ids_sha256", "d" * 64, "not over the split"),
        ("dataset.split", "a/../b", "dataset.split"),
        ("dataset.frame", "large", "dataset.frame"),
        ("dataset.frame", 480, "dataset.frame is int"),
        ("dataset.frame", "0x5", "dataset.frame"),
        ("weights.parent_sha256", "a" * 64 + "+", "weights.parent_sha256"),
        ("weights.parent_sha256", "a" * 128, "weights.parent_sha256"),
        ("confusion.depth", [[1]], "semantic or geometric"),
        ("confusion.semantic", None, "confusion holds"),
    ],
)
def test_each_fault_is_refused_by_name(written, path, value, message):
    path = reseal(written, lambda data: change(data, path, value))
    with pytest.raises(UserError, match=message) as error:
        records.read(path)
    assert path.stem in str(error.value)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(written, constant):
    text = written.read_text()
    assert '"threads": 2' in text
    written.write_text(text.replace('"threads": 2', f'"threads": {constant}'))
    with pytest.raises(UserError, match="finite"):
        records.read(written)


@pytest.mark.parametrize(
    ("old", "new"),
    [('"dirty": false', '"dirty": true'), ('"seed": 1', '"seed": 2'), ("fcn16s", "fcn8s"), ("A processor", "Another")],
)
def test_tampering_is_refused(written, old, new):
    text = written.read_text()
    assert old in text
    written.write_text(text.replace(old, new))
    with pytest.raises(UserError, match="digest"):
        records.read(written)


def test_another_per_image_file_is_refused(written):
    npz = next(written.parent.glob("*.npz"))
    images(5).save(npz)
    with pytest.raises(UserError, match="not the file"):
        records.read(written)
    npz.unlink()
    with pytest.raises(UserError, match="missing"):
        records.read(written)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "{}", "[" * 100_000, "\ud800"])
def test_what_is_no_record_is_refused(tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UserError, match=r"bad\.json"):
        records.read(path)


def test_read_all_sorts_and_refuses_duplicates(written):
    folder = written.parent
    for seed in (3, 2):
        found = images()
        changes = {"training": {"iterations": 100, "seed": seed}}
        records.write(record(found, **changes), {"semantic": found}, folder / "deeper")
    (folder / ".half-written.json").write_text("{")
    ids = [one.id for one in records.read_all(folder)]
    assert ids == sorted(ids)
    assert len(ids) == 3
    assert records.read_all(folder / "nowhere") == []
    for path in (written, next(folder.glob("*.npz"))):
        (folder / "deeper" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(UserError, match=written.stem):
        records.read_all(folder)


def test_records_load_neither_torch_nor_pandas():
    code = "import sys, repro.records; print(sorted({'torch', 'mmseg', 'mmengine', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_provenance_fits_a_record(tmp_path):
    found = provenance.collect(seed=1)
    assert set(found) == set(records.PROVENANCE)
    json.dumps(found, allow_nan=False)
    path = records.write(record(images(), provenance=found), {"semantic": images()}, tmp_path)
    assert records.read(path).provenance == found


@pytest.mark.parametrize(
    ("argument", "reduced"),
    [
        ("/home/ann/nets/a b.pth", "a b.pth"),
        ("--weights=/home/ann/a.pth", "--weights=a.pth"),
        ("roots=[/home/ann/a,'/home/ann/b']", "roots=[a,'b']"),
        ("~/a.pth", "a.pth"),
        ("~ann/a.pth", "a.pth"),
        ("../../ann/a.pth", "a.pth"),
        ("-o/home/ann/a", "-oa"),
        ("file:///home/ann/a", "a"),
        (r"C:\Users\ann\a.pth", "a.pth"),
        ("/home/ann/", "ann"),
        ("voc2011/fcn16s_vgg16", "voc2011/fcn16s_vgg16"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("lr=1e-10", "lr=1e-10"),
    ],
)
def test_commands_name_no_folder_of_the_user(argument, reduced):
    assert provenance.reduce_paths(argument) == reduced


def test_the_state_of_a_checkout(tmp_path):
    assert provenance.checkout_state(tmp_path) == (None, None)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)

    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    def put(name, text=""):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    put("other.txt")
    git("add", "other.txt")
    git("commit", "-qm", "one")
    assert provenance.checkout_state(tmp_path) == (None, None)  # a repository, but not the package's
    for name in ("repro/__init__.py", "tables/t.md"):
        put(name)
        git("add", name)
    git("commit", "-qm", "two")
    commit, dirty = provenance.checkout_state(tmp_path)
    assert commit is not None and len(commit) == 40
    assert dirty is False
    put("notes.txt")
    put("tables/t.md", "changed")
    assert provenance.checkout_state(tmp_path) == (commit, False)
    put("repro/new.py")
    assert provenance.checkout_state(tmp_path) == (commit, True)
    (tmp_path / "repro/new.py").unlink()
    put("other.txt", "changed")
    assert provenance.checkout_state(tmp_path) == (commit, True)
