"""Errors a user can act on: the command line prints them as one line and exits non-zero."""


class UserError(Exception):
    """Bad input. The message names the thing, the value it got and what would be right, in one line."""


class BadSensorData(UserError):
    """One reading cannot be used (truncated JPEG, NaN points ...): `perceive` turns it into a missing sensor."""
