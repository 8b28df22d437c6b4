"""System checks: a wrong setting is explained before it hurts."""
