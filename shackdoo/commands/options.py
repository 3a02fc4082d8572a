"""Command lines with options, whose mistakes are told like all others."""

from __future__ import annotations

import argparse
from typing import NoReturn

from shackdoo.errors import RequestError


class OptionParser(argparse.ArgumentParser):
    """argparse's, with a RequestError for what it can't understand."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong, and where the options are told."""
        raise RequestError(f"{message}. `{self.prog} --help` lists the options.")
