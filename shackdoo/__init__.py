"""Reproducible deep-learning experiments: a task, its YAML, one command, a record that is proven.

Start reading at :mod:`shackdoo.task` (what a user writes) and
:mod:`shackdoo.commands.train` (what ``shackdoo train`` does with it, step by step).
Importing this package loads nothing heavy.
"""

__version__ = "0.1.0"
