"""Configurations of older versions compare as those of today."""

from digits.config import flatten


def test_old_names_of_classes_are_replaced_inside_lists() -> None:
    elastic = {"_args_": [{"_target_": "digits.augmentation.RandomAffine"}]}
    assert flatten(elastic) == {"_args_": [{"_target_": "digits.data.augmentation.RandomTransform"}]}
