-- candidates -> cohort: strata as known on the index date, and the first criterion that fails, in the order judged.
create table regions as
select region, unnest(string_split(states, ' ')) as state
from (values
    ('northeast', 'CT ME MA NH NJ NY PA RI VT'),
    ('midwest', 'IL IN IA KS MI MN MO NE ND OH SD WI'),
    ('south', 'AL AR DE DC FL GA KY LA MD MS NC OK SC TN TX VA WV'),
    ('west', 'AK AZ CA CO HI ID MT NV NM OR UT WA WY'),
    ('territories', 'AS GU MP PR VI')) as census (region, states);

-- Since when is a span's cover unbroken, gaps of at most `allowed_gap_days` uncovered days forgiven?
create table cover as
with spans as (
    select enrollment.*,
           max(end_date) over (partition by member_key, benefit order by start_date, end_date desc
                               rows between unbounded preceding and 1 preceding) as covered_to
    from enrollment semi join candidates using (member_key)
    where benefit in (from benefits)
), runs as (
    select *, count(*) filter (covered_to is null or start_date - covered_to - 1 > getvariable('allowed_gap_days'))
        over (partition by member_key, benefit order by start_date, end_date desc) as run
    from spans
)
select member_key, benefit, start_date, end_date,
       min(start_date) over (partition by member_key, benefit, run) as since
from runs;

create table covered as
select unit, count(distinct benefit) as n_covering,
       count(distinct benefit) filter (since <= index_date - getvariable('lookback_days')) as n_reaching_back
from candidates join cover using (member_key)
where index_date between start_date and end_date
group by unit;

-- History and red flags: days with the event in the rule's window.
create table rule_days as
select unit, step, count(*) as n_days
from candidates join event_days using (member_key) join rules using (event)
where event_date between index_date + first_day and index_date + last_day
group by unit, step;

-- Days of supply: a fill's pills are taken when those before are gone. A fill lies in the run that the latest start so
-- far has begun, where a start is the day before the fill less all that was supplied until then.
create table supply as
with supplied as (
    select step, first_day, last_day, fill.member_key, dispensing_date, days_supply
    from fills_of_people as fill join rules on supplied_days is not null
         semi join (select * from code_rows join clauses using (codes)) as wanted
             on wanted.event = rules.event and ndc >> 32 = bucket and ndc between low and high
                and dispensing_date between valid_from and valid_to
), fills as (
    select unit, step, last_day, dispensing_date - index_date as day, sum(coalesce(days_supply, 0)) as days
    from candidates join supplied using (member_key)
    where dispensing_date between index_date + first_day and index_date + last_day
    group by all
), stock as (
    select *, sum(days) over by_day as supplied from fills window by_day as (partition by unit, step order by day)
), runs as (
    select *, max(day - 1 - (supplied - days)) over (partition by unit, step order by day) as run from stock
)
select unit, step, least(max(run + supplied), any_value(last_day)) - min(day) + 1 as days_in_a_row
from runs
group by unit, step, run;

create table longest_supply as
select unit, step, max(days_in_a_row) as days_in_a_row from supply group by unit, step;

create table first_broken_rule as
select unit, min(step) as step
from candidates cross join rules left join rule_days using (unit, step) left join longest_supply using (unit, step)
where case
    when supplied_days is not null then days_in_a_row >= supplied_days
    when is_exclusion then n_days > 0
    else coalesce(n_days, 0) < min_days
    end
group by unit;

create table facts as
with described as (
    select candidates.*, birth_date, sex, death_date,
           year(index_date) * 100 + month(index_date) as index_month,
           year(index_date) - year(birth_date)
               - (strftime(index_date, '%m%d') < strftime(birth_date, '%m%d'))::int as age,
           coalesce(list_sort(list_filter(residences, lambda r: r.from_date <= index_date))[-1].state, 'unknown')
               as state,
           coalesce(n_covering, 0) as n_covering, coalesce(n_reaching_back, 0) as n_reaching_back,
           first_broken_rule.step as broken_step
    from candidates left join members using (member_key) left join covered using (unit)
         left join first_broken_rule using (unit)
)
select described.*, coalesce(region, 'unknown') as region,
       (select label from age_bands where first_age <= age order by first_age desc limit 1) as age_band
from described left join regions using (state);

create table judged as
select *, case
    when index_date not between getvariable('index_start') and getvariable('index_end') then 'index_date_in_window'
    when arm = 'comparator' and first_treated_on <= index_date then 'not_treated_by_index_date'
    when birth_date is null then 'known_member'
    when death_date < index_date then 'alive_on_index_date'
    when age not between getvariable('min_age') and getvariable('max_age') then 'age'
    when n_covering < (select count(*) from benefits) then 'enrolled_on_index_date'
    when n_reaching_back < (select count(*) from benefits) then 'enrolled_in_lookback'
    else (select criterion from rules where step = broken_step)
    end as excluded_by
from facts;

-- Of the dates of a member's month that pass everything, the earliest stays.
create table cohort as
select unit, member_key, arm, index_date, index_month, age, sex, age_band, region, state,
       if(excluded_by is null
              and row_number() over (partition by arm, member_key, index_month, excluded_by order by index_date) > 1,
          'one_date_per_month', excluded_by) as excluded_by
from judged;

create table eligible as from cohort where excluded_by is null;
