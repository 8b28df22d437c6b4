"""An account that the shop deletes is erased here, too."""

import logging
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models.signals import pre_delete

from recommender.privacy.erasure import erase_user

logger = logging.getLogger(__name__)


def erase_with_account(sender: object, instance: Any, **named: Any) -> None:
    """Before Django's cascade, which deletes the rows in any case, but knows nothing of late events."""
    try:
        with transaction.atomic():
            erase_user(instance.pk)
    except Exception:
        # Deleting an account is the shop's own act: nothing of ours, database or bug, may stop it.
        logger.exception("An account is deleted; what the recommender holds of it goes by the cascade only.")


def watch_accounts() -> None:
    """Hear of deletions by the user model and by its proxies, which are senders of their own.

    Not of all senders: a receiver without one makes Django fetch every row of the shop before it deletes it.
    """
    for model in apps.get_models():
        if model._meta.concrete_model is get_user_model()._meta.concrete_model:
            pre_delete.connect(erase_with_account, sender=model, dispatch_uid="recommender.user_deleted")


watch_accounts()
