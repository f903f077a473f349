#!/usr/bin/env python3
"""Copy a wheel, without the folder it was built in.

scripts/tidy_wheel.py WHEEL FOLDER

maturin's bill of materials names our own crates by where they lie
(`path+file:///…`). Whoever installs the wheel learns nothing from that but the
builder's user name.
"""

import base64
import hashlib
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STANDS_FOR_ROOT = "/lockgate"


def main() -> None:
    """Write the copy, and print its name."""
    wheel, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / wheel.name
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as copy:
        lines: dict[str, str] = {}
        for entry in source.infolist():
            content = source.read(entry)
            if ".dist-info/sboms/" in entry.filename:
                content = content.replace(ROOT.as_uri().encode(), f"file://{STANDS_FOR_ROOT}".encode())
                digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
                lines[entry.filename] = f"{entry.filename},sha256={digest},{len(content)}"
            if entry.filename.endswith(".dist-info/RECORD"):
                # maturin writes it last: every other entry was seen.
                old = content.decode().splitlines()
                content = "".join(f"{lines.get(line.split(',')[0], line)}\n" for line in old).encode()
            copy.writestr(entry, content)
    print(made)


if __name__ == "__main__":
    main()
