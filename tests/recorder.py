"""A callback for tests: writes down which images each process was trained on and tested with."""

from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from digits.data.sources import Digits


class Recorder(Callback):
    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def _record(self, stage: str, trainer: Trainer, batch: Digits) -> None:
        with (self.folder / f"{stage}-{trainer.current_epoch}-{trainer.global_rank}.txt").open("a") as file:
            file.writelines(image.numpy().tobytes().hex() + "\n" for image in batch.images.cpu())

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Digits, *_: int) -> None:
        self._record("train", trainer, batch)

    def on_test_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Digits, *_: int) -> None:
        self._record("test", trainer, batch)
