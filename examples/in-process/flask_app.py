"""Flask with the gate's policies within: `waitress-serve flask_app:app`."""

from pathlib import Path

from flask import Flask, request

from lockgate.wsgi import Judged, Middleware

app = Flask(__name__)
app.wsgi_app = Middleware(app.wsgi_app, Path(__file__).with_name("lockgate.yaml"))


@app.get("/orders")
def orders() -> dict[str, object]:
    """Say whose orders these are: the credential was checked before the application was asked."""
    judged: Judged = request.environ["lockgate"]
    return {"owner": judged.identity.owner if judged.identity else None, "orders": []}


@app.post("/orders")
def order() -> dict[str, int]:
    """Take an order as it comes, piece by piece."""
    return {"bytes": sum(len(piece) for piece in iter(lambda: request.stream.read(1024), b""))}


@app.get("/healthz")
def health() -> dict[str, str]:
    """Say that all is well."""
    return {"status": "ok"}
