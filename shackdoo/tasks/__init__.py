"""The tasks that ship with shackdoo; your own stand beside them or in any importable package."""
