"""An experiment's settings: its config, with what the user changed."""

import hashlib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from repro.errors import UserError
from repro.experiments import Experiment, data_folder, plain_name
from repro.sample import shrink

# what may stand for a setting of a kind; bool comes first because it is an int too
KINDS: dict[type, tuple[type, ...]] = {
    bool: (bool,),
    int: (int, float),  # 0 may stand where 0.5 fits as well
    float: (int, float),
    str: (str,),
    tuple: (list, tuple),
    list: (list, tuple),
    dict: (dict,),
}
PARTS = ("model", "train_dataloader", "train_cfg", "optim_wrapper", "randomness")  # of a config that trains
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def load_config(
    experiment: Experiment,
    options: Mapping[str, Any] | None = None,
    seed: int | None = None,
    data_root: Path | None = None,
) -> Config:
    """An experiment's config, with settings that the user changed.

    Args:
        options: new values by dotted key, such as `{"train_cfg.max_iters": 100}`.
        seed: instead of the config's.
        data_root: folder of the dataset; when None the config's own, of which `data/...` lies in `data_folder()`.

    Raises:
        UserError: an option's key is not in the config or its value of another kind, or the config does not load.
    """
    try:
        config = Config.fromfile(experiment.path)
    except Exception as error:  # a user's own config may fail in any way
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{experiment.path} does not load as a config: {reason}") from error
    missing = [part for part in PARTS if part not in config]
    if missing:
        raise UserError(f"{experiment.path} lacks {', '.join(missing)}: read them from the suite's _base_ configs")
    if experiment.on_sample:
        shrink(config, finer=not any("/classifier_" in parent for parent in experiment.starts_from))
    for key, value in (options or {}).items():
        _check_option(config, key, value, experiment.name)
    # the suite's validation and test loaders are one and the same, until an option says otherwise
    shared = config.get("val_dataloader") == config.get("test_dataloader")
    config.merge_from_dict(dict(options or {}))
    _refuse_foreign_loading(config, experiment)
    if shared and not any(key.startswith("test_") for key in options or {}):
        config.test_dataloader = config.get("val_dataloader")
    if seed is not None:
        config.randomness.seed = seed
    for loader in LOADERS:
        if config.get(loader):
            own = Path(config[loader].dataset.data_root)
            home = data_folder() / own.relative_to("data") if own.parts[:1] == ("data",) else own
            config[loader].dataset.data_root = str(data_root or home)
    return config


def config_sha256(config: Config) -> str:
    """Hash of every setting that makes an experiment what it is: all but its folders and its seed."""
    settings = {key: value for key, value in config.to_dict().items() if key not in ("work_dir", "experiment")}
    settings["randomness"].pop("seed", None)
    for loader in LOADERS:
        if settings.get(loader):
            settings[loader]["dataset"].pop("data_root", None)
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()


def dataset_name(config: Config, loader: str) -> str:
    """What records call the dataset: the name of its folder."""
    return plain_name(Path(config[loader].dataset.data_root).absolute().name)


def find_setting(config: Config, key: str) -> tuple[bool, Any]:
    """Whether a config has a setting, by dotted key, and its value.

    An argument that a part could be built with counts as a setting; where it is not set its value is None.
    """
    owner: Any = None
    value: Any = config
    *_, last = parts = key.split(".")
    for part in parts:
        owner = value
        try:
            value = value[int(part)] if isinstance(value, list) and part.isdecimal() else value[part]
            if isinstance(owner, list) and not isinstance(value, dict):  # which mmengine cannot merge into
                raise TypeError
        except (KeyError, IndexError, TypeError):
            built = owner.get("type") if isinstance(owner, dict) else None
            known = part == last and inspect.isclass(built) and part in inspect.signature(built).parameters
            return known, None
    return True, value


def _refuse_foreign_loading(config: Config, experiment: Experiment) -> None:
    """mmengine unpickles, and so runs, the files that these settings name; this suite's own reader does not."""
    settings = [key for key in ("load_from", "resume") if config.get(key)]
    if "Pretrained" in json.dumps(config.model.to_dict(), default=str):
        settings.append("init_cfg")
    if settings:
        raise UserError(
            f"{experiment.name} sets {' and '.join(settings)}, by which any file could run code: "
            "name the weights with --start (a training that was interrupted goes on by itself)"
        )


def _check_option(config: Config, key: str, value: Any, name: str) -> None:
    known, current = find_setting(config, key)
    if not known:
        raise UserError(f"{name} has no setting {key!r}; see {name}.py")
    for kind, fitting in KINDS.items():
        if isinstance(current, kind):
            if not isinstance(value, fitting) or (isinstance(value, bool) and kind is not bool):
                raise UserError(f"{key} of {name} is {current!r}: {value!r} does not fit")
            return
