"""The user errors of counterpart: each has an exit code, prints one message and no traceback.

A message says where the problem is, what was found and what is allowed. It never carries a member id or a row.
"""

from __future__ import annotations

from typing import Any


class StudyError(Exception):
    """Something the user can put right. Exit code 1 is left to unexpected failures."""

    exit_code = 9

    def __init__(self, *message: object) -> None:
        super().__init__(*message)
        self.told: dict[str, Any] = {}
        """What a scheduler is told beside the message: released values only."""


class ProtocolError(StudyError):
    """The study or site document is wrong."""

    exit_code = 10


class CodeSetError(StudyError):
    """A code set is missing, malformed or empty."""

    exit_code = 11


class ContractError(StudyError):
    """A table does not have the columns, types or key that its contract declares."""

    exit_code = 12


class DataError(StudyError):
    """The claims cannot answer the question: no rows, no treated, no overlap, rows that do not reconcile."""

    exit_code = 13


class SettingsError(StudyError):
    """An argument or setting of a command is out of its range."""

    exit_code = 14


class ConflictError(StudyError):
    """Another run changed the same tables meanwhile; nothing was changed here, and the next try may do."""

    exit_code = 16


class EnvironmentProblem(StudyError):
    """The machine lacks what is needed: Java, the Delta jars, a folder that can be written."""

    exit_code = 15
