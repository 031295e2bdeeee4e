"""`python -m userconda`, for a prefix whose `bin` is not on PATH."""

from userconda.cli import main

raise SystemExit(main())
