"""Data by name. The only code that reads, checks and fetches data files."""

from shackdoo.catalog.catalog import Catalog

__all__ = ["Catalog"]
