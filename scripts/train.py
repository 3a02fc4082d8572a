"""Train from a checkout: ``python scripts/train.py task=Mnist_B`` is ``shackdoo train …``."""

from door import enter

enter("train")
