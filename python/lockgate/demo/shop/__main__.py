"""``python -m lockgate.demo.shop --port 9000``: the shop alone."""

import argparse

from lockgate.demo.shop.serve import listen, server


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="The sample shop on a loopback port.")
    parser.add_argument("--port", type=int, default=9000, help="0 asks for a free one")
    listener = listen(parser.parse_args().port)
    print(f"The shop listens on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)  # noqa: T201 - the program's only word
    server().run(sockets=[listener])


main()
