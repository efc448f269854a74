"""Before anything is trained: what is lacking is named in one line, with where it comes from and where to put it."""

import pytest
import torch

from repro import experiments
from repro.data import nyudv2
from repro.errors import UserError
from repro.prepare import obtain_any
from repro.provision import missing_classifiers, prepare_all
from repro.reproduce import with_starts


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """No data, no weights, and no network."""
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("repro.data.download._addresses", lambda archive: [f"http://127.0.0.1:9/{archive.name}"])


@pytest.mark.parametrize(
    ("group", "archives"),
    [
        ("voc2011", ["VOCtrainval_25-May-2011.tar", "benchmark.tgz"]),
        ("nyudv2", ["nyud.tar.gz", "or else nyu_depth_v2_labeled.mat", "splits.mat", "classMapping40.mat"]),
        ("siftflow", ["SiftFlowDataset.zip"]),
        ("pascal_context", ["VOCtrainval_03-May-2010.tar", "trainval.tar.gz"]),
    ],
)
def test_without_data_and_network_one_line_says_what_is_wanted(command, tmp_path, group, archives):
    complaint = command("reproduce", group, "--work-dirs", tmp_path / "runs").complaint
    for name in [*archives, "vgg16.pth", str(tmp_path / "data" / "archives"), str(tmp_path / "data/weights/ilsvrc")]:
        assert name in complaint
    assert "http" in complaint, "and where it comes from"
    assert not (tmp_path / "runs").exists() and not (tmp_path / "data" / group).exists()


@pytest.mark.parametrize(
    ("at_hand", "first"),
    [
        ([], "nyud.tar.gz"),
        (["splits.mat"], "nyu_depth_v2_labeled.mat"),
        (["splits.mat", "classMapping40.mat"], "nyu_depth_v2_labeled.mat"),
    ],
)
def test_the_form_that_lacks_the_least_is_tried_first(tmp_path, at_hand, first):
    """Of NYUDv2's two forms one is a single file: one of the other's three is more than nothing of it."""
    folder = tmp_path / "data/archives"
    folder.mkdir(parents=True)
    for name in at_hand:
        (folder / name).touch()
    with pytest.raises(UserError) as caught:
        obtain_any(nyudv2.SOURCES, (), verify=False)
    assert first in str(caught.value).split("or instead")[0]
    (folder / "nyud.tar.gz").touch()
    assert list(obtain_any(nyudv2.SOURCES, (), verify=False)) == ["nyud.tar.gz"], "all of one form is best"


def test_with_weights_the_archives_alone_are_wanted(command, tmp_path):
    folder = tmp_path / "data/weights/ilsvrc"
    folder.mkdir(parents=True)
    torch.save({}, folder / "vgg16.pth")
    complaint = command("reproduce", "siftflow", "--work-dirs", tmp_path / "runs").complaint
    assert "SiftFlowDataset.zip" in complaint and "vgg16.pth" not in complaint
    assert "127.0.0.1:9" in complaint, "what was tried is told"


def test_with_data_the_weights_alone_are_wanted(command, tmp_path, drawn):
    complaint = command("reproduce", "voc2011", "--data", drawn, "--work-dirs", tmp_path / "runs").complaint
    assert "caffenet.pth" in complaint and "googlenet.pth" in complaint and ".tar" not in complaint


def test_a_finished_stage_wants_no_classifier(tmp_path):
    stages = [experiments.get("siftflow/fcn32s_vgg16"), experiments.get("siftflow/fcn16s_vgg16")]
    assert [path.name for path in missing_classifiers(stages, tmp_path)] == ["vgg16.pth"]
    done = tmp_path / "siftflow/fcn32s_vgg16/weights.pth"
    done.parent.mkdir(parents=True)
    done.touch()
    assert missing_classifiers(stages, tmp_path) == []


def test_what_other_groups_have_to_train_first_comes_first(tmp_path):
    controls = experiments.chain("ablations")
    names = [stage.name for stage in with_starts(controls, tmp_path)]
    assert names[:2] == ["sample/classifier_vgg16", "sample/fcn32s_vgg16"] and len(names) == len(controls) + 2
    for stage in names[:2]:
        done = tmp_path / stage / "weights.pth"
        done.parent.mkdir(parents=True)
        done.touch()
    assert with_starts(controls, tmp_path) == controls


def test_the_users_own_folder_needs_nothing_prepared(tmp_path, drawn):
    stages = [experiments.get("sample/fcn32s_vgg16")]
    prepare_all(stages, work_dirs=tmp_path, data_root=drawn)
    assert not (tmp_path / "data").exists()
