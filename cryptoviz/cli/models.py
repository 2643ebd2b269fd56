"""Whether there are the models that `CRYPTOVIZ_MODELS` names, said before anything of a stack is started."""

from __future__ import annotations

from cryptoviz.settings import Settings


def check_models(settings: Settings) -> None:
    """Raise `UserError` for a name that no model has."""
    if settings.models:  # else nothing is loaded, which takes a second
        from processors.models import chosen

        chosen(settings.models)
