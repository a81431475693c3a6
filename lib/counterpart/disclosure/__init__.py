"""The only way out of the site for anything derived from members."""

from counterpart.disclosure.text import safe_text

__all__ = ["safe_text"]
