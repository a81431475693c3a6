"""Made-up claims with a planted effect: see docs/synthetic.md."""

from counterpart.synthetic.generate import synthesise
from counterpart.synthetic.settings import SynthReport, SynthSettings

__all__ = ["SynthReport", "SynthSettings", "synthesise"]
