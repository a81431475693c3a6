-- eligible, follow_up -> outcome_weeks: events of the primary outcome by week; week w is days 7w + 1 to 7w + 7, so that
-- day 0 ends week -1. Weeks -26 to 25, until the end of follow-up.
create table outcome_weeks as
select unit, floor((day - 1) / 7)::int as week, count(*) as n_events
from outcome_days
where outcome = getvariable('primary_outcome') and day <= days and week between -26 and 25
group by all;
