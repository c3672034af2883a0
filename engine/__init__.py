"""Everything of fitui that has no screen: usable as a library and from the command line.

The packages form layers that only look down:
``schema`` <- ``store`` <- ``insight`` and ``schema`` <- ``build``, ``evaluate``, ``measure`` <-
``run``. Nothing here knows that a terminal exists.
"""
