"""What holds for every test."""

from __future__ import annotations

import os

from hypothesis import settings

# No deadline: a machine that is busy is no bug. In CI the same examples every time, elsewhere new ones.
settings.register_profile("keelward", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("keelward")
