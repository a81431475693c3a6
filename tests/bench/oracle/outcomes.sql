-- eligible, follow_up -> outcomes: per unit, outcome and horizon the events from the start day to the horizon or the
-- end of follow-up. An event is a distinct date and event name.
create table outcome_days as
select unit, outcome, start_day, days, event_date - index_date as day
from eligible join follow_up using (unit) join event_days using (member_key) join outcome_events using (event)
     join asked_outcomes using (outcome);

create table outcomes as
with counted as (
    select unit, outcome, horizon, count(*) as n_events, min(day) as first_event_day
    from outcome_days join horizons using (outcome)
    where day between start_day and least(horizon, days)
    group by all
)
select unit, outcome, horizon, coalesce(n_events, 0) as n_events, first_event_day,
       greatest(least(horizon, days) - start_day + 1, 0) as days_at_risk
from follow_up cross join asked_outcomes join horizons using (outcome) left join counted using (unit, outcome, horizon);
