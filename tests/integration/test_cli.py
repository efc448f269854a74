"""The command's surface: what it prints, on what, and what it does not need to load for that."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import repro
from repro import experiments


def fresh(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, its output on pipes."""
    environment = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "TTY_COMPATIBLE")}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, env=environment, timeout=120
    )


def test_version(command):
    assert command("--version").out == f"repro {repro.__version__}\n"


def test_help_names_every_verb(command):
    outcome = command("--help")
    assert outcome.code == 0
    for verb in ("list", "prepare", "train", "evaluate", "reproduce", "predict", "tables"):
        assert re.search(rf"\b{verb}\b", outcome.out)
        assert command(verb, "--help").code == 0


def test_without_a_verb_it_helps(command):
    outcome = command()
    assert outcome.code == 2 and "Usage: repro" in outcome.out + outcome.err


def test_list_on_a_pipe_is_plain_and_complete():
    result = fresh("-m", "repro", "list")
    assert result.returncode == 0 and result.stderr == ""
    assert "\x1b" not in result.stdout
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    for path in experiments.CONFIGS.glob("[!_]*/[!_]*.py"):
        assert f"{path.parent.name}/{path.stem}" in lines
    assert len(lines) == len(experiments.find()) + 1
    assert "voc2011/fcn32s_vgg16 " in lines["voc2011/fcn16s_vgg16"]
    assert "caffe_release/voc2011/FCN-16s" in lines["voc2011/fcn16s_vgg16"]


def test_list_counts_records_and_names_what_is_none(command, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work_dirs").mkdir()
    (tmp_path / "work_dirs/records").symlink_to(trained / "records")
    lines = {line.split()[0]: line for line in command("list").out.splitlines()}
    found = [
        json.loads(path.read_text()).get("experiment")
        for folder in (trained / "records", Path(repro.__file__).parents[1] / "tables/records")
        for path in folder.rglob("*.json")
    ]
    assert lines["sample/fcn8s_vgg16"].split()[-1] == str(found.count("sample/fcn8s_vgg16"))
    assert lines["voc2011/fcn32s_fixed_vgg16"].split()[-1] == "—"
    (tmp_path / "work_dirs/records").unlink()
    (tmp_path / "work_dirs/records").mkdir()
    (tmp_path / "work_dirs/records/half.json").write_text('{"experiment": ')
    assert "half.json is no record" in command("list").complaint


@pytest.mark.parametrize(
    ("code", "unloaded"),
    [
        ("import repro", {"torch", "mmseg", "mmengine", "pandas", "numpy"}),
        ("import repro.cli", {"torch", "mmseg", "mmengine", "pandas", "numpy"}),
        ("import repro.cli; sys.argv = ['repro', 'list']; repro.cli.main()", {"torch", "mmseg", "pandas"}),
        ("import repro.cli; sys.argv = ['repro', 'tables', '--check']; repro.cli.main()", {"torch", "mmseg"}),
    ],
)
def test_what_is_quick_loads_nothing_heavy(code, unloaded):
    report = "print('loaded:', *sorted({name.partition('.')[0] for name in sys.modules}))"
    result = fresh("-c", f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\n{report}")
    assert result.returncode == 0, result.stderr
    loaded = set(result.stdout.rpartition("loaded: ")[2].split())
    assert "repro" in loaded and not loaded & unloaded


def test_tables_are_up_to_date(command):
    outcome = command("tables", "--check")
    assert outcome.code == 0, outcome.err


def test_a_pipe_gets_results_alone(trained, drawn, tiny, tmp_path):
    """No noise of mmseg's import, no progress bar: what is on stdout can be used as it is."""
    images = sorted((drawn / "JPEGImages").iterdir())[:2]
    options = [part for key, value in tiny.items() for part in ("--cfg-options", f"{key}={value}")]
    result = fresh(
        *("-m", "repro", "predict", *map(str, images), "--experiment", "sample/fcn16s_vgg16"),
        *("--work-dirs", str(trained), *options),
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        f"predictions/{image.stem}{ending}.png" for image in images for ending in ("", "_overlay")
    ]
    assert "Warning" not in result.stderr and "Traceback" not in result.stderr


def test_train_prints_the_weights_file(command, trained, drawn, tiny):
    outcome = command("train", "sample/fcn16s_vgg16", "--data", drawn, "--work-dirs", trained, options=tiny)
    assert outcome.code == 0 and outcome.out == f"{trained / 'sample/fcn16s_vgg16/weights.pth'}\n"


def test_evaluate_prints_every_class_with_its_interval(command, trained, drawn, tiny, tmp_path):
    weights = trained / "sample/fcn16s_vgg16/weights.pth"
    arguments = ("evaluate", "sample/fcn16s_vgg16", "--data", drawn, "--work-dirs", tmp_path, "--weights", weights)
    outcome = command(*arguments, options=tiny)
    assert outcome.code == 0 and "\x1b" not in outcome.out
    for number in ("pixel acc.", "mean acc.", "mean IU", "f.w. IU", "  background", "  person"):
        assert re.search(rf"^{re.escape(number)} +\d+\.\d +\d+\.\d to \d+\.\d", outcome.out, re.MULTILINE), number
    assert len(list((tmp_path / "records").glob("*.json"))) == 1
    assert all(line.startswith("sample/fcn16s_vgg16 evaluate") for line in outcome.err.splitlines())


def test_prepare_draws_where_it_is_told(command, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("repro.data.sample.voc.write_voc", lambda root, **how: calls.append((root, how)))
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    assert command("prepare", "sample").code == 0
    assert command("prepare", "sample", "--root", tmp_path, "--seed", 3, "--no-thin-parts").code == 0
    assert calls == [
        (tmp_path / "data/sample", {"seed": 0, "thin_parts": True}),
        (tmp_path, {"seed": 3, "thin_parts": False}),
    ]
