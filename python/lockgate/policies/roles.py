"""`roles`: what a caller is opens what they may do."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field
from typing_extensions import override

from lockgate.policies._base import Authorization, Lists
from lockgate.policies._openings import OPENS, Opens, short
from lockgate.scalars import Name


class Roles(Authorization):
    """Which roles open what; who has which stands under the document's `roles`."""

    room: ClassVar[str] = "roles"

    opens: Annotated[
        dict[Name, Opens],
        Field(
            min_length=1,
            max_length=1_000,
            description="What each role opens, by its name: methods, operations, paths, permissions. Names may stand "
            "beside `mode`, without `opens`.",
            examples=[{"support": ["GET"], "manager": ["GET", "POST", "refundOrder"]}],
        ),
    ]

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part but for what it opens, which the API's operations and permissions tell."""
        return {"opens": []}


ROLES = (BeforeValidator(short(Roles)), OPENS)
