"""Command lines with options, whose mistakes are told like all others."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from shackdoo.errors import RequestError


def two_arguments(argv: Sequence[str], command: str, names: str) -> tuple[str, str]:
    """Return the two arguments of a command that takes no options.

    Args:
        argv: as typed.
        command: its name, for the message.
        names: of the arguments.

    Raises:
        RequestError: if there are more or fewer, or an option.
    """
    if len(argv) != 2 or any(argument.startswith("-") for argument in argv):
        raise RequestError(
            f"`shackdoo {command}` takes {names}, not '{' '.join(argv)}'. `shackdoo {command} "
            f"--help` tells more."
        )
    first, second = argv
    return first, second


class OptionParser(argparse.ArgumentParser):
    """argparse's, with a RequestError for what it can't understand."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong, and where the options are told."""
        raise RequestError(f"{message}. `{self.prog} --help` lists the options.")
