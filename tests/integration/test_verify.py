"""The released nets from their addresses to their cells: stand-ins for nets and archives, behind a server."""

import configparser
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from local_server import LocalServer, Page
from miniature import archives
from mmengine.config import Config
from PIL import Image

from repro import evaluate, records, report
from repro.data import voc2011
from repro.data.download import Archive
from repro.errors import UserError
from repro.prepare import prepare
from repro.report.layouts import SELECTIONS
from repro.verify import NETS, TABLE, fetch_net, verify
from repro.weights import store
from repro.weights.published import RELEASED
from repro.weights.published import Published as Released

sys.path.append(str(Path(__file__).parents[1] / "parity"))
from caffe_nets import CaffeNet, released, run

MEAN = (104.00699, 116.66877, 122.67892)  # B, G, R
WIDTH = 1 / 16
COARSE, FINE, ALEXNET = "voc2011/fcn32s_vgg16", "voc2011/fcn8s_vgg16", "voc2011/fcn32s_alexnet"
CLAIMS = {"FCN-32s": "63.6", "FCN-16s": "65.0", "FCN-8s": "65.5", "FCN-8s at once": "65.4", "FCN-AlexNet": "48.0"}


def draw(name: str, width: float = WIDTH) -> CaffeNet:
    """A net of the authors' for VOC, with random weights."""
    return released(name, width, seed=NETS.index(name))[0]


@dataclass(frozen=True)
class Published:
    """What lies behind addresses: archives and nets by file name, and the folder with each net's prototxt."""

    files: dict[str, bytes]
    nets: Path


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Miniature archives of VOC and SBD, and narrow nets; not to be changed."""
    folder = tmp_path_factory.mktemp("published")
    files = archives("voc2011", folder / "drawn", val=2)
    for name in NETS:
        home = folder / "nets" / name
        home.mkdir(parents=True)
        files[RELEASED[name].file] = draw(name).write(home)[1].read_bytes()
    return Published(files, folder / "nets")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, published: Published) -> Iterator[LocalServer]:
    """A server of what is published, which every address leads to; checksums that fit it; an empty data folder.

    mmengine would format each config three times, which takes it longer than a narrow net takes to score.
    """
    monkeypatch.setattr(Config, "pretty_text", "")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("REPRO_MIRROR", raising=False)
    monkeypatch.setattr("repro.data.fetch.PAUSE", 0)
    with LocalServer({f"/{name}": Page(content) for name, content in published.files.items()}) as running:

        def here(archive: Archive | Released):
            name = archive.name if isinstance(archive, Archive) else archive.file
            checksum = archive.checksum and f"sha256:{hashlib.sha256(published.files[name]).hexdigest()}"
            return replace(archive, urls=(f"{running.url}/{name}",), checksum=checksum, size=None)

        monkeypatch.setattr(voc2011, "SOURCES", (tuple(map(here, voc2011.SOURCES[0])),))
        for name in NETS:
            monkeypatch.setitem(RELEASED, name, here(RELEASED[name]))
        yield running


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Experiments as narrow as the stand-ins, whose images this process reads; tables that take two images."""
    read = Config.fromfile

    def read_narrow(*args, **kwargs):
        config = read(*args, **kwargs)
        config.model.backbone.width = WIDTH
        for loader in (config.val_dataloader, config.test_dataloader):
            loader.update(num_workers=0, persistent_workers=False)
        return config

    monkeypatch.setattr(Config, "fromfile", read_narrow)
    rule = replace(SELECTIONS["full_split"], images=2, ids_sha256=None, clean=False)
    monkeypatch.setitem(SELECTIONS, "full_split", rule)


def found(work_dirs: Path) -> dict[str, records.Record]:
    return {record.experiment: record for record in records.read_all(work_dirs / "records")}


def state(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def complaint(*args, **kwargs) -> str:
    """The one line with which a verification ends that cannot score every net."""
    with pytest.raises(UserError) as caught:
        verify(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def by_opencv(nets: Path, name: str, data: Path) -> np.ndarray:
    """The confusion matrix of a net that OpenCV runs on the prepared images."""
    matrix = np.zeros((21, 21), np.int64)
    for image_id in (data / "ImageSets/Segmentation/seg11valid.txt").read_text().split():
        pixels = np.asarray(Image.open(data / "JPEGImages" / f"{image_id}.jpg"), np.float32)[..., ::-1]
        x = np.ascontiguousarray((pixels - np.array(MEAN, np.float32)).transpose(2, 0, 1)[None])
        (scores,) = run(nets / name / "net.prototxt", nets / name / "net.caffemodel", ["score"], data=x)
        truth = np.asarray(Image.open(data / "SegmentationClass" / f"{image_id}.png"))
        known = truth != 255
        np.add.at(matrix, (truth[known], scores[0].argmax(axis=0)[known]), 1)
    return matrix


def test_from_addresses_to_filled_cells(server, narrow, published, tmp_path, capfd, monkeypatch):
    """Every net gets the score that an independent engine gives it, in the cell of its claim, once for all."""
    scored = verify(work_dirs=tmp_path / "runs")
    assert [record.experiment for record in scored] == list(NETS)
    for record in scored:
        matrix = record.confusion["semantic"]
        expected = by_opencv(published.nets, record.experiment, tmp_path / "data/voc2011")
        assert np.count_nonzero(expected.sum(axis=0)) > 3, "a flat prediction would prove nothing"
        assert np.abs(matrix - expected).sum() <= 1e-3 * expected.sum()  # rounding decides a pixel now and then
        assert (record.recipe, len(record.claims)) == ("release", 1)
        file = published.files[RELEASED[record.experiment].file]
        assert record.training["sha256"] == hashlib.sha256(file).hexdigest(), "the record names the very file"
    cells = report.table("voc2011", records_folders=[tmp_path / "runs/records"])
    cells = cells[cells["key"].str.startswith("caffe_release/") & (cells["verdict"] != "printed only")].set_index("net")
    assert dict(cells["claim"]) == CLAIMS and cells["ours"].notna().all() and cells["ours"].nunique() == 5
    told = capfd.readouterr()
    table = (tmp_path / "runs/verify-release.md").read_text(encoding="utf-8")
    assert table in told.out and "images at" in told.err
    for net, cell in cells.iterrows():
        assert f"| {net} " in table and f" {cell['ours']:.2f} |" in table and cell["records"] in told.out
    publish = next(line for line in told.out.splitlines() if "repro publish" in line)
    assert all(f"{record.id}.json" in publish for record in scored)

    asked, before = len(server.asked), state(tmp_path / "runs")
    monkeypatch.setattr("repro.verify.evaluate", lambda *_, **__: pytest.fail("scored again"))
    verify([COARSE, ALEXNET], work_dirs=tmp_path / "runs")
    text = capfd.readouterr().out
    rows = [line.split()[1] for line in text.splitlines() if line.startswith("| FCN")]
    assert rows == ["FCN-32s", "FCN-AlexNet"], "yet the nets that were asked for are in its table"
    assert len(server.asked) == asked
    before.pop(tmp_path / "runs/verify-release.md")
    assert before.items() <= state(tmp_path / "runs").items() and len(state(tmp_path / "runs")) == len(before) + 1


def test_other_weights_under_the_name_are_scored_anew(server, narrow, tmp_path):
    (first,) = verify([ALEXNET], work_dirs=tmp_path / "runs")
    other = draw(ALEXNET)
    other.layers[0].blobs[0][:] *= -1
    (tmp_path / "data/archives" / RELEASED[ALEXNET].file).unlink()
    (tmp_path / "theirs").mkdir()
    file = other.write(tmp_path / "theirs")[1].rename(tmp_path / "theirs" / RELEASED[ALEXNET].file)
    asked = len(server.asked)
    (second,) = verify([ALEXNET], work_dirs=tmp_path / "runs", given=[file])
    assert len(server.asked) == asked, "a file at hand comes first"
    assert second.weights.sha256 != first.weights.sha256
    assert len(records.read_all(tmp_path / "runs/records")) == 2


def test_an_interruption_leaves_whole_files_and_the_nets_that_were_scored(server, narrow, tmp_path, monkeypatch):
    names, scored = [COARSE, ALEXNET], []

    def interrupted(experiment, **kwargs):
        scored.append(experiment.name)
        if len(scored) == 2:
            step = "repro.confusion.ConfusionMatrix.process"
            patched.setattr(step, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        return evaluate.evaluate(experiment, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr("repro.verify.evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            verify(names, work_dirs=tmp_path / "runs")
    assert list(found(tmp_path / "runs")) == [COARSE]
    assert not (tmp_path / "runs/verify-release.md").exists()
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
    with monkeypatch.context() as patched:
        patched.setattr("repro.verify.evaluate", interrupted)
        scored.append("not the second again")
        verify(names, work_dirs=tmp_path / "runs")
    assert scored == [COARSE, ALEXNET, "not the second again", ALEXNET]
    assert set(found(tmp_path / "runs")) == set(names)


def test_a_dead_address_keeps_no_other_net_from_being_scored(server, narrow, published, tmp_path, capfd):
    dead = RELEASED[FINE].file
    page = server.pages.pop(f"/{dead}")
    names, folder = [FINE, ALEXNET], tmp_path / "data/archives"
    line = complaint(names, work_dirs=tmp_path / "runs")
    told = capfd.readouterr()
    for part in ("1 of 2", dead, f"the released {FINE}", f"{server.url}/{dead}: 404", "--archive", str(folder)):
        assert part in line
    assert told.err.startswith(FINE) and dead in told.err.splitlines()[0], "told at once, not after hours alone"
    assert list(found(tmp_path / "runs")) == [ALEXNET] and "| FCN-AlexNet " in told.out
    assert not list(folder.glob(f"{dead}*"))

    (folder / dead).write_bytes(page.content)  # by hand, where the line says
    asked = len(server.asked)
    verify(names, work_dirs=tmp_path / "runs")
    assert len(server.asked) == asked and set(found(tmp_path / "runs")) == set(names)
    assert len(records.read_all(tmp_path / "runs/records")) == 2


def test_without_any_net_no_data_is_asked_for(server, narrow, tmp_path):
    server.pages = {path: page for path, page in server.pages.items() if not path.endswith(".caffemodel")}
    line = complaint(work_dirs=tmp_path / "runs")
    assert all(RELEASED[name].urls[0] in line for name in NETS)
    assert not [path for path, _ in server.asked if not path.endswith(".caffemodel")]
    assert not (tmp_path / "runs").exists()


def test_without_data_the_archives_are_named_as_by_reproduce(server, narrow, tmp_path):
    server.pages = {path: page for path, page in server.pages.items() if path.endswith(".caffemodel")}
    line = complaint([ALEXNET], work_dirs=tmp_path / "runs")
    for part in ("wanted:", "VOCtrainval_25-May-2011.tar", "benchmark.tgz", str(tmp_path / "data/archives"), "404"):
        assert part in line
    assert ".pth" not in line, "no classifier is wanted where nothing is trained"


@pytest.mark.parametrize("content", [b"<html>our site has moved</html>", b""], ids=["html", "nothing"])
def test_what_is_no_net_does_not_stay(server, narrow, tmp_path, content):
    name = RELEASED[ALEXNET].file
    whole = server.pages[f"/{name}"]
    server.pages[f"/{name}"] = Page(content)
    line = complaint([ALEXNET], work_dirs=tmp_path / "runs")
    assert f"what came from {server.url}/{name} is not {name} (the released {ALEXNET})" in line
    assert not list((tmp_path / "data/archives").iterdir())
    server.pages[f"/{name}"] = whole
    assert fetch_net(ALEXNET, [], True).is_file()


def test_the_users_own_wrong_file_stays(server, narrow, published, tmp_path):
    file = tmp_path / RELEASED[ALEXNET].file
    file.write_bytes(published.files[RELEASED["voc2011/fcn16s_vgg16"].file])
    line = complaint([ALEXNET], work_dirs=tmp_path / "runs", given=[file])
    assert f"{file} holds the weights of another net" in line and "unused: conv1_1 weight" in line
    assert file.is_file() and not server.asked


def test_a_broken_download_goes_on_in_the_next_run(server, narrow, tmp_path):
    path = f"/{RELEASED[ALEXNET].file}"
    server.pages[path].cuts += [1000] * 5  # as many as one run attempts
    assert "cut off" in complaint([ALEXNET], work_dirs=tmp_path / "runs")
    assert fetch_net(ALEXNET, [], True).is_file()
    assert server.ranges(path) == [None, *(f"bytes={n}000-" for n in range(1, 6))]
    assert not list((tmp_path / "data/archives").glob("*.part*"))


def test_a_net_of_another_checksum_is_taken_unverified_only_and_fills_no_cell(server, narrow, tmp_path, capfd):
    prepare("voc2011")  # the data are the published ones
    other = draw(FINE)
    other.layers[0].blobs[0][:] *= -1
    (tmp_path / "theirs").mkdir()
    file = other.write(tmp_path / "theirs")[1].rename(tmp_path / "theirs" / RELEASED[FINE].file)
    line = complaint([FINE], work_dirs=tmp_path / "runs", given=[file])
    assert f"{file} is not the published file: its sha256 is" in line and "--unverified" in line
    capfd.readouterr()
    (record,) = verify([FINE], work_dirs=tmp_path / "runs", given=[file], verify=False)
    assert (record.recipe, record.claims) == ("changed", [])
    told = capfd.readouterr().out
    assert "fill no cell" in told and "repro publish" not in told


def test_unverified_data_fill_no_cell(server, narrow, published, tmp_path, monkeypatch):
    file = tmp_path / "benchmark.tgz"
    file.write_bytes(published.files[file.name] + b"\0")
    with pytest.raises(UserError, match=r"wanted: .*benchmark.tgz is not the published file"):
        verify([ALEXNET], work_dirs=tmp_path / "runs", given=[file])
    (record,) = verify([ALEXNET], work_dirs=tmp_path / "runs", given=[file], verify=False)
    assert (record.recipe, record.claims) == ("changed", [])
    assert json.loads((tmp_path / "data/voc2011/prepared.json").read_text())["published"] is False


@pytest.mark.parametrize(
    ("names", "given", "match"),
    [
        (
            ["voc2011/fcn32s_googlenet"],
            [],
            "'voc2011/fcn32s_googlenet' is none of the authors' nets for VOC: voc2011/fcn",
        ),
        ([ALEXNET], ["fcn8s.caffemodel"], "fcn8s.caffemodel is none of the files wanted: fcn32s-heavy-pascal.*bench"),
        ([ALEXNET], ["fcn-alexnet-pascal.caffemodel"], "missing or no file"),
    ],
)
def test_a_mistyped_name_is_told_at_once(server, tmp_path, names, given, match):
    with pytest.raises(UserError, match=match):
        verify(names, work_dirs=tmp_path / "runs", given=[tmp_path / "no" / name for name in given])
    assert not server.asked and not (tmp_path / "runs").exists()


def test_the_command_ends_with_the_line_and_exit_code_2(server, narrow, command, tmp_path):
    del server.pages[f"/{RELEASED[FINE].file}"]
    outcome = command("verify-release", FINE, "--work-dirs", tmp_path / "runs")
    assert f"{server.url}/{RELEASED[FINE].file}: 404" in outcome.complaint


def test_a_net_of_full_width_by_the_experiments_own_settings(server, tmp_path, dismiss_workers):
    """Nothing narrow: the file has the size of the authors' own."""
    (tmp_path / "theirs").mkdir()
    file = draw(ALEXNET, width=1).write(tmp_path / "theirs")[1].rename(tmp_path / "theirs" / RELEASED[ALEXNET].file)
    assert file.stat().st_size > 2e8
    (record,) = verify([ALEXNET], work_dirs=tmp_path / "runs", given=[file])
    assert (record.recipe, record.claims) == ("release", ["caffe_release/voc2011/FCN-AlexNet"])
    assert record.dataset.images == 2 and np.count_nonzero(record.confusion["semantic"].sum(axis=0)) > 3
    kept = tmp_path / "data/weights/released" / f"{ALEXNET}.pth"
    assert store.load(kept).sha256 == record.weights.sha256, "what was scored is kept for other verbs"
    dismiss_workers()


def test_the_workflow_runs_what_tox_has_and_keeps_what_it_writes():
    root = Path(__file__).parents[2]
    workflow = yaml.safe_load((root / ".github/workflows/verify-release.yml").read_text(encoding="utf-8"))
    assert list(workflow[True]) == ["workflow_dispatch"], "on request alone (YAML reads `on` as true)"
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    steps = {step["name"]: step for step in job["steps"] if "name" in step}
    (environment,) = re.findall("tox -e ([a-z-]+)", steps["Score the nets"]["run"])
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(root / "tox.ini")
    assert tox[f"testenv:{environment}"]["commands"] == "repro verify-release {posargs}"
    kept = steps["Keep the records and the table"]["with"]["path"].split()
    assert kept == ["work_dirs/records", f"work_dirs/{TABLE}"]
    assert all(re.fullmatch(r"actions/[a-z/-]+@v\d+", step["uses"]) for step in job["steps"] if "uses" in step)
