"""A made study."""

from pathlib import Path

import pytest
from studies.made_runs import write_run


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Its folder. a has 1, 2 and 3 errors less than b with three seeds; c failed once."""
    for name, runs in {"a": [10, 12, 14], "b": [11, 14, 17], "c": [1, None]}.items():
        for seed, errors in enumerate(runs):
            overrides = f"optimizer={name} seed={seed} model=m study=first"
            write_run(tmp_path / "first" / f"{name}_{seed}", overrides, errors)
    return tmp_path / "first"
