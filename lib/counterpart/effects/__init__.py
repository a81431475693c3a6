"""Effects and balance: from units, pairs and outcomes to small tables that can be read and plotted."""

from counterpart.effects.balance import summarise_balance
from counterpart.effects.contrasts import estimate_effects
from counterpart.effects.profiles import summarise_event_time, summarise_scores

__all__ = ["estimate_effects", "summarise_balance", "summarise_event_time", "summarise_scores"]
