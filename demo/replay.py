"""`python -m demo.replay`: the demo shop's households live their newest weeks again, our lists against classic ones.

A database of its own, from which those weeks are taken out before anything is trained; then a real server, and every
household once in each arm. What was prepared is kept, so that a second replay begins at once.
"""

import argparse
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from demo.console import complain, say, step
from demo.credentials import Credentials
from demo.processes import ProcessFailed, lock_folder
from demo.run import Options, manage, prepare_database, reset, shop_environment, start_engines, start_web
from demo.supervisor import Supervisor

DAYS: Final = 28


@dataclass(frozen=True, slots=True)
class ReplayOptions(Options):
    """What `python -m demo.replay` was asked for; `more` goes on to `manage.py recommender_replay`."""

    days: int = DAYS
    more: tuple[str, ...] = ()

    @property
    def data_folder(self) -> Path:
        """Apart from the demo's, which has those weeks."""
        return self.folder / f"replay-{self.size}"


def parse(argv: list[str]) -> ReplayOptions:
    parser = argparse.ArgumentParser(
        prog="python -m demo.replay",
        description="Replay the newest weeks of the demo shop through its real endpoints.",
        epilog="Other options go to manage.py recommender_replay: --arms live habits, --shoppers 100, --days 14, …",
    )
    parser.add_argument("--size", choices=["full", "small"], default="small", help="of the shop (default small)")
    parser.add_argument("--port", type=int, default=8010, help="of its server (default 8010)")
    parser.add_argument("--held-days", type=int, default=DAYS, help=f"newest days to take out (default {DAYS})")
    parser.add_argument("--reset", action="store_true", help="prepare anew")
    known, more = parser.parse_known_args(argv)
    return ReplayOptions(size=known.size, port=known.port, reset=known.reset, days=known.held_days, more=tuple(more))


def run(options: ReplayOptions) -> None:
    """Prepare what is not prepared yet, serve, replay.

    Raises:
        ProcessFailed: a part failed; the message says which and why.
    """
    folder = options.data_folder
    held = folder / "held.csv"
    with ExitStack() as stack:
        stack.callback(os.close, lock_folder(folder))
        if options.reset:
            reset(folder)
        os.environ.update(shop_environment(options, Credentials.load(folder / "credentials.json")))
        engines = start_engines(folder, stack)
        supervisor = stack.enter_context(Supervisor(folder / "log", os.environ, engines))
        prepare_database(options, supervisor)
        if not held.exists():
            hold_back = manage("recommender_hold_back", str(held), f"--days={options.days}", "--noinput")
            supervisor.finish(supervisor.start_errand("hold-back", hold_back, has_log=False))
        if not _has_live_version():
            with step("Training on what came before"):
                supervisor.finish(supervisor.start_errand("train", manage("recommender_train", *_which_run())))
        url = start_web(options, supervisor)
        replay = manage("recommender_replay", str(held), f"--url={url}", *options.more)
        supervisor.finish(supervisor.start_errand("replay", replay, has_log=False))


def _has_live_version() -> bool:
    import django

    django.setup()
    from demo.first_training import has_live_version

    return has_live_version()


def _which_run() -> list[str]:
    """Options of `recommender_train`: what an earlier start left waiting when it was killed, else a new run."""
    from recommender.models import TrainingRun
    from recommender.runs import settle_lapsed

    settle_lapsed()
    waiting = TrainingRun.objects.filter(status=TrainingRun.Status.QUEUED).first()
    return [f"--run={waiting.pk}"] if waiting else ["--cold"]


def main(argv: list[str]) -> int:
    try:
        run(parse(argv))
    except KeyboardInterrupt:
        say("Stopped.")
        return 130
    except ProcessFailed as failure:
        complain(str(failure))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
