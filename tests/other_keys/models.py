import uuid

from django.conf import settings
from django.db import models


class Thing(models.Model):
    """What `Item` is a kind of, where the key is the parent's."""

    name = models.CharField(max_length=40)

    def __str__(self) -> str:
        return self.name


if settings.KEY_TYPE == "child":

    class Item(Thing):
        pass

else:

    class Item(models.Model):  # type: ignore[no-redef]
        if settings.KEY_TYPE == "uuid":
            key = models.UUIDField(primary_key=True, default=uuid.uuid4)
        else:
            key = models.CharField(max_length=20, primary_key=True)
        name = models.CharField(max_length=40)

        def __str__(self) -> str:
            return self.name
