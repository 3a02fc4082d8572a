"""One module per subcommand of ``shackdoo``, loaded when it is called; see :mod:`shackdoo.cli`."""
