"""`python -m demo`: the whole shop on this machine, Ctrl-C stops it."""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Final

from demo.console import complain, say
from demo.processes import ProcessFailed
from demo.run import DATA_FOLDER, Options, run

STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def parse(argv: list[str]) -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description="Run the demo shop with recommendations: Postgres, broker, workers and web server in one command.",
        epilog="DATABASE_URL and CELERY_BROKER_URL, where set, replace the embedded Postgres and broker.",
    )
    parser.add_argument("--size", choices=["full", "small"], default="full", help="small: a sample, ready in minutes")
    parser.add_argument("--port", type=int, default=8000, help="of the shop; a free one if it is taken (default 8000)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="0.0.0.0 lets other machines in; the shoppers' password is public"
    )
    parser.add_argument("--folder", type=Path, default=DATA_FOLDER, help="where the data is kept (default .demo)")
    parser.add_argument("--reset", action="store_true", help="delete the data of earlier runs first")
    return Options(**vars(parser.parse_args(argv)))


def interrupt(number: int, frame: FrameType | None) -> None:
    """Stop once; further signals must not cut the clean-up short."""
    for stopping in STOPPING:
        signal.signal(stopping, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(argv: list[str]) -> int:
    options = parse(argv)
    for stopping in STOPPING:
        if stopping != signal.SIGHUP or signal.getsignal(stopping) != signal.SIG_IGN:  # nohup
            signal.signal(stopping, interrupt)
    try:
        run(options)
    except KeyboardInterrupt:
        say("Stopped.")
        return 0
    except ProcessFailed as failure:
        complain(str(failure))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
