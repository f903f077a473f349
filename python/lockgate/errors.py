"""The few exceptions that a caller may branch on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from typing_extensions import override

if TYPE_CHECKING:
    from pathlib import Path

    from lockgate.config.problems import Problem


class ConfigErrors(Exception):  # noqa: N818 -- It holds all of them, not one.
    """The configuration is refused; every problem that was found is in `errors` and `warnings`."""

    def __init__(
        self,
        errors: Sequence[Problem],
        warnings: Sequence[Problem] = (),
        *,
        files: Sequence[Path] = (),
        patterns: Sequence[str] = (),
        looked_at: Sequence[Path] = (),
    ) -> None:
        self.files = tuple(files)
        """Every file that was read: a change of one may mend the configuration."""
        self.patterns = tuple(patterns)
        """Patterns of includes, absolute."""
        self.looked_at = tuple(looked_at)
        """Programs and the like, which were not read: a change of one may mend it, too."""
        self.errors = tuple(errors)
        self.warnings = tuple(warnings)
        super().__init__(f"the configuration has {len(self.errors)} error{'s' * (len(self.errors) != 1)}")

    @override
    def __str__(self) -> str:
        """One line for each error, so that a log that prints the exception says all of it."""
        return "\n".join([super().__str__(), *(f"{error.place}: {error.message}" for error in self.errors)])
