"""The folder of a new run, from the settings name=, resume=, debug= and find=."""

from pathlib import Path

from digits.errors import InputError
from digits.runs.folder import RunFolder


def resolve_run_folder(name: str, resume: str | None, debug: bool = False, find: str | None = None) -> str:
    """`outputs/<name>`, or the folder of the run that wrote the checkpoint `resume`, or `outputs/debug` or
    `outputs/find_lr`, which may be overwritten.

    Raises InputError if the folder holds a completed run, or an interrupted one that is not resumed, and if there is
    no such checkpoint."""
    # Other values of `debug` and `find` are refused later.
    if debug is True:
        return str(_overwritable_folder("debug").path)
    if find == "lr":
        return str(_overwritable_folder("find_lr").path)
    if resume is not None:
        return str(_resumed_folder(name, resume).path)
    folder = _named_folder(name)
    folder.require_not_completed(folder.metrics())
    if folder.last_checkpoint.is_file():
        raise InputError(
            f"{folder.path} holds an interrupted run; add resume={folder.last_checkpoint}, "
            "choose another name=…, or remove that folder"
        )
    return str(folder.path)


def _overwritable_folder(name: str) -> RunFolder:
    folder = RunFolder(Path("outputs", name))
    folder.require_no_other_run(folder.metrics())
    return folder


def _resumed_folder(name: str, resume: str) -> RunFolder:
    """The folder of the run that wrote a checkpoint; `outputs/<name>` for a checkpoint that is not in such a folder."""
    folder = _named_folder(name)
    checkpoint = Path(str(resume))
    if not checkpoint.is_file():
        raise InputError(f"resume={resume}: no such file; a run writes outputs/…/checkpoints/last.ckpt")
    if checkpoint.parent.name == "checkpoints":
        folder = RunFolder(checkpoint.parent.parent)
    folder.require_not_completed(folder.metrics())
    return folder


def _named_folder(name: str) -> RunFolder:
    folder = RunFolder(Path("outputs", str(name)))
    if ".." in folder.path.parts or folder.path.is_absolute():
        raise InputError(f"name={name}: must be the name of a folder in outputs/")
    return folder
