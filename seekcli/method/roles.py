"""The two roles that a model can have."""

BASE, MOTIVATED = "base", "motivated"
ROLES = (BASE, MOTIVATED)
