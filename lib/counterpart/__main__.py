"""`python -m counterpart` is the command `counterpart`."""

from counterpart.cli import main

raise SystemExit(main())
