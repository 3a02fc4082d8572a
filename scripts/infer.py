"""Answer from a checkout: ``python scripts/infer.py input=…`` is ``shackdoo infer input=…``."""

from door import enter

enter("infer")
