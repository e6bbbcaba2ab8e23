"""How a training reads, writes and removes checkpoints: Lightning's plugin."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.plugins.io import TorchCheckpointIO

from digits.compat import rename_states
from digits.runs.checkpoint import read_checkpoint, write_checkpoint
from digits.training.resume import ResumePoint


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints atomically. Lightning's own writer does not: it copies them from a temporary folder.

    Reads them as `read_checkpoint` does; `resume` is already read. `folder` holds the checkpoints of the run,
    `added_folders` those of callbacks of `trainer.callbacks`."""

    def __init__(self, folder: Path, added_folders: Sequence[Path] = (), resume: ResumePoint | None = None) -> None:
        super().__init__()
        self.folders = [folder, *added_folders]
        self.resume = resume
        self.written: set[Path] = set()

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_checkpoint(checkpoint, path)
        self.written.add(_real_folder(path) / path.name)

    def load_checkpoint(self, path: str | Path, *_: Any, **__: Any) -> dict[str, Any]:
        if self.resume is not None and str(path) == self.resume.absolute_path:
            checkpoint = self.resume.checkpoint
            self.resume = None  # frees the memory
            return checkpoint
        checkpoint = read_checkpoint(path)
        rename_states(checkpoint)
        return checkpoint

    def remove_checkpoint(self, path: str | Path) -> None:
        """Removes a file that this process has written, or a checkpoint in the folders of this run and its callbacks.
        Other paths, which a resumed checkpoint may hold, are ignored."""
        path = Path(path)
        if self._is_removable(path) and (path.is_symlink() or path.is_file()):
            path.unlink()

    def _is_removable(self, path: Path) -> bool:
        parent = _real_folder(path)
        if parent / path.name in self.written:
            return True
        if path.suffix != ".ckpt":
            return False
        # In a folder, or below it: a name such as {val/error} has a folder in it.
        return any(parent.is_relative_to(os.path.realpath(folder)) for folder in self.folders)


def _real_folder(path: Path) -> Path:
    return Path(os.path.realpath(path.parent))
