"""An account that the shop deletes is erased here, too."""

import logging
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from recommender.privacy.erasure import erase_user

logger = logging.getLogger(__name__)


@receiver(pre_delete, sender=settings.AUTH_USER_MODEL, dispatch_uid="recommender.user_deleted")
def erase_with_account(sender: object, instance: Any, **named: Any) -> None:
    """Before Django's cascade, which deletes the rows in any case, but knows nothing of late events."""
    try:
        with transaction.atomic():
            erase_user(instance.pk)
    except Exception:
        # Deleting an account is the shop's own act: nothing of ours, database or bug, may stop it.
        logger.exception("An account is deleted; what the recommender holds of it goes by the cascade only.")
