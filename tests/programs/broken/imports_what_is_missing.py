"""A module whose own import fails."""

import another_package_that_nobody_has  # type: ignore[import-not-found]  # noqa: F401
