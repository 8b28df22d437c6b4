"""What the consent endpoint takes and gives."""

from typing import Final

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from recommender.capture.consent import LEVELS

NAMES: Final = list(LEVELS)  # from the least to the most


class ConsentChoice(serializers.Serializer):
    level = serializers.ChoiceField(
        NAMES,
        help_text="none, session (this visit only) or full.",
        # Not the value itself: what no encoding can write would come back as a 500.
        error_messages={"invalid_choice": _("Choose one of: none, session, full.")},
    )


class ConsentSerializer(serializers.Serializer):
    level = serializers.ChoiceField(NAMES, help_text="What holds now.")
    chosen = serializers.BooleanField(help_text="False while the shop's default holds: nobody was asked yet.")
    signal = serializers.BooleanField(help_text="The browser sends Sec-GPC or DNT, so nothing is remembered.")
