"""Django with the gate's policies within: `waitress-serve django_app:application`.

In a project this is the end of `wsgi.py`. With `get_asgi_application()` in
`asgi.py` it is `lockgate.asgi.Middleware`.
"""

from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

from lockgate.wsgi import Judged, Middleware

settings.configure(ALLOWED_HOSTS=["127.0.0.1", "localhost"], ROOT_URLCONF=__name__, SECRET_KEY="for this example alone")  # noqa: S106 -- It guards nothing.


def orders(request: HttpRequest) -> JsonResponse:
    """Say whose orders these are, or take one as it comes, piece by piece."""
    judged: Judged = request.META["lockgate"]
    if request.method == "GET":
        return JsonResponse({"owner": judged.identity.owner if judged.identity else None, "orders": []})
    return JsonResponse({"bytes": sum(len(piece) for piece in iter(lambda: request.read(1024), b""))})


def health(_request: HttpRequest) -> JsonResponse:
    """Say that all is well."""
    return JsonResponse({"status": "ok"})


urlpatterns = [path("orders", orders), path("healthz", health)]
application = Middleware(get_wsgi_application(), Path(__file__).with_name("lockgate.yaml"))
