"""What the consent endpoint takes and gives."""

from rest_framework import serializers

from recommender.capture.consent import LEVELS


class ConsentChoice(serializers.Serializer):
    level = serializers.ChoiceField(
        sorted(LEVELS, key=lambda name: LEVELS[name]), help_text="none, session (this visit only) or full."
    )


class ConsentSerializer(serializers.Serializer):
    level = serializers.ChoiceField(sorted(LEVELS, key=lambda name: LEVELS[name]), help_text="What holds now.")
    chosen = serializers.BooleanField(help_text="False while the shop's default holds: nobody was asked yet.")
    signal = serializers.BooleanField(help_text="The browser sends Sec-GPC or DNT, so nothing is remembered.")
