"""Hands messages to the broker, quickly or not at all: a page waits for it, and what is lost is found by the beat."""

import logging
import time
from threading import Lock, Thread
from typing import Any, Final

from celery import current_app
from django.db.models.functions import Now

from recommender.conf import conf
from recommender.models import TrainingRun
from recommender.savepoints import unharmed

logger = logging.getLogger(__name__)

TRAIN_TASK: Final = "recommender.train"
ESTIMATE_TASK: Final = "recommender.estimate_clicks"
BROKER_SECONDS: Final = 2.0  # a broker that takes longer counts as unreachable
GATHER_SECONDS: Final = 0.2  # in which several nudges become one message


def deliver(run_id: int) -> bool:
    """Send `recommender.train(run_id)`; False where the broker did not take it, and the run stays queued."""
    try:
        _send(run_id)
    except Exception as error:  # whatever ails the broker: the row is the truth, and `sweep` sends it again
        logger.warning("The broker did not take training run %s, it stays queued: %r", run_id, error)
        return False
    TrainingRun.objects.filter(pk=run_id, status=TrainingRun.Status.QUEUED).update(sent_at=Now())
    return True


def nudge(task: str) -> None:
    """Have a task without arguments run soon. The caller does not wait, not even for a broker that is frozen."""
    if current_app.conf.task_always_eager:
        try:
            with unharmed():
                _run_here(task)
        except Exception:
            # As if a worker had failed: whoever nudges, a shop that saved an item, goes on.
            logger.exception("%s failed.", task)
    elif _gathering.acquire(blocking=False):
        Thread(target=_send_soon, args=(task,), name=f"nudge {task}", daemon=True).start()


def ask(task: str, *args: Any) -> bool:
    """Have a task run soon; False where the broker did not take it, and whoever asked may ask again."""
    if current_app.conf.task_always_eager:
        _run_here(task, *args)
        return True
    try:
        _send_message({"name": task, "args": args, "retry": False})
    except Exception as error:  # as above
        logger.warning("The broker did not take %s: %r", task, error)
        return False
    return True


_gathering: Final = Lock()


def _send_soon(task: str) -> None:
    time.sleep(GATHER_SECONDS)
    _gathering.release()  # whoever comes from here on may come too late for this message
    try:
        _send_message({"name": task, "retry": False})
    except Exception as error:  # whatever ails the broker: the beat runs the task, too
        logger.warning("The broker did not take %s: %r", task, error)


def _send(run_id: int) -> None:
    task: dict[str, Any] = {"name": TRAIN_TASK, "args": (run_id,), "queue": conf.TRAINING_QUEUE, "retry": False}
    if current_app.conf.task_always_eager:
        _run_here(TRAIN_TASK, run_id)
        return
    _send_message(task)


def _run_here(task: str, *args: Any) -> None:
    """What CELERY_TASK_ALWAYS_EAGER asks for; a web process has not imported any tasks until then."""
    import recommender.tasks  # noqa: F401  registration by import; it imports this module

    current_app.tasks[task].apply(args, throw=True)


def _send_message(task: dict[str, Any]) -> None:
    with current_app.connection_for_write(connect_timeout=BROKER_SECONDS, transport_options=impatient()) as connection:
        current_app.send_task(connection=connection, ignore_result=True, **task)


def impatient() -> dict[str, Any]:
    """Transport options that bound connecting and sending; Celery's own would try for minutes."""
    options: dict[str, Any] = {"max_retries": 0}
    url = str(current_app.conf.broker_write_url or "")
    if url.startswith(("redis", "sentinel")):
        options |= {"socket_connect_timeout": BROKER_SECONDS, "socket_timeout": BROKER_SECONDS}
    elif url.startswith(("amqp", "pyamqp")):
        options |= {"read_timeout": BROKER_SECONDS, "write_timeout": BROKER_SECONDS}
    return options
