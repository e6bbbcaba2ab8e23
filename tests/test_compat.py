"""Configurations and checkpoints of older versions are read as those of today."""

from digits.compat import RENAMED_STATES, rename_states
from digits.config import flatten


def test_old_names_of_classes_are_replaced_inside_lists() -> None:
    elastic = {"_args_": [{"_target_": "digits.augmentation.RandomAffine"}]}
    assert flatten(elastic) == {"_args_": [{"_target_": "digits.data.augmentation.RandomTransform"}]}


def test_states_of_own_checkpoints_are_renamed_in_an_older_checkpoint_only() -> None:
    old_name = next(iter(RENAMED_STATES))
    old = {"callbacks": {old_name: 1, "other": 2}}
    rename_states(old)
    assert old == {"callbacks": {"RunCheckpoint last": 1, "other": 2}}
    with_added_callback = {"callbacks": {old_name: 1, "RunCheckpoint last": 3}}
    rename_states(with_added_callback)
    assert with_added_callback == {"callbacks": {old_name: 1, "RunCheckpoint last": 3}}
