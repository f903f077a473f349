"""`docs/reference/admin-api.md` and its OpenAPI document, from the application itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lockgate.admin.api.app import make_resources
from lockgate.admin.api.guard import BODY_BYTES, OPEN_PATHS
from lockgate.admin.api.problems import CODES, TYPE_BASE
from lockgate.admin.connections import (
    BODY_SECONDS,
    CONNECTIONS,
    HEAD_BYTES,
    HEAD_SECONDS,
    IDLE_SECONDS,
    WRITE_SECONDS,
)
from lockgate.admin.metrics import METRICS
from reference import NOTE
from reference.markdown import table

INTRODUCTION = """\
# The admin API

The control process answers on `admin.address`, by default `127.0.0.1:8081`: a loopback address, plain HTTP. The
commands of `lockgate` use it, and so may scripts. Its whole description is in [OpenAPI](admin-api.openapi.json), which
it also serves at `/v1/openapi.json`.

## The credential

The first start writes one to `admin.token` in the state folder, readable by its owner only. There is no default one.

```sh
curl -H "Authorization: Bearer $(cat .lockgate/admin.token)" http://127.0.0.1:8081/v1/status
```

Prometheus takes it from the file:

```yaml
scrape_configs:
  - job_name: lockgate
    authorization: {credentials_file: /srv/shop/.lockgate/admin.token}
    static_configs: [{targets: ["127.0.0.1:8081"]}]
```

To replace it, remove the file and start the control process again. A request must also name a Host of the API's own
(`127.0.0.1`, `localhost` or `[::1]`, with the port), and come from no other site's page: the `Origin` and
`Sec-Fetch-Site` headers of a browser are checked, and no answer allows another site anything (no CORS).

"""

LIMITS = f"""\
## Limits

Whoever can connect to loopback is a stranger until the credential has been seen, and none of these can be set:

- A head has {HEAD_BYTES} bytes and {HEAD_SECONDS:g} s, a body {BODY_BYTES} bytes and {BODY_SECONDS:g} s.
- An answer may stand still for {WRITE_SECONDS:g} s, a connection idle for {IDLE_SECONDS} s.
- {CONNECTIONS} connections may be open. One more takes the place of the oldest that is not being answered, so that who
  only holds connections open keeps nobody out.
- The body of a request that is refused is not read: the connection ends with the answer.

What was cut is counted in `lockgate_admin_refusals_total` as `admin-too-slow` and `admin-connections`.

"""


def files(_root: Path) -> dict[str, str]:
    """The page and the document."""
    document = make_resources().openapi()
    page = NOTE + INTRODUCTION + LIMITS + resources(document) + refusals() + metrics()
    return {
        "docs/reference/admin-api.md": page,
        "docs/reference/admin-api.openapi.json": json.dumps(document, indent=2, sort_keys=True) + "\n",
    }


def resources(document: dict[str, Any]) -> str:
    """Every operation."""
    rows = [
        [f"`{method.upper()} {path}`", "no" if path in OPEN_PATHS else "yes", operation["description"]]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    return "## Resources\n\n" + table(["Resource", "Credential", "What it does"], rows) + "\n"


def refusals() -> str:
    """Every code that a refusal may carry."""
    lines = [
        "## Refusals",
        "",
        f"Each is `application/problem+json` (RFC 9457) with a `code`; its `type` is `{TYPE_BASE}` and the code.",
        "What is the caller's to mend, `detail` says how.",
        "",
    ]
    for code, (status, title) in sorted(CODES.items()):
        lines += [f"### `{code}`", "", f"{status}. {title}.", ""]
    return "\n".join(lines) + "\n"


def metrics() -> str:
    """The control process's own numbers."""
    rows = [
        [f"`{name}`", metric.kind, ", ".join(f"`{label}`" for label in metric.labels), metric.words]
        for name, metric in METRICS.items()
    ]
    head = "## Metrics of the control process\n\n`/metrics` gives them after [the gate's](metrics.md).\n\n"
    return head + table(["Metric", "Kind", "Labels", "What it says"], rows)
