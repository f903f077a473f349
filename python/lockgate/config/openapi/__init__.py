"""OpenAPI documents: read with their references under bounds, and what a gate needs of them."""

from lockgate.config.openapi.documents import Documents
from lockgate.config.openapi.operations import ApiDocument, DocumentOperation

__all__ = ["ApiDocument", "DocumentOperation", "Documents"]
