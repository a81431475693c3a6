-- Roster and claims -> candidates: every person-date at which somebody could enter an arm, before any criterion.
create table treatments as
select member_key, enrolled_on as treated_on from program where program = getvariable('program');

-- The lines of the index window whose claim carries a code of the comparators' index event; its diagnosis, which may stand
-- on another line, is looked at next.
create view window_lines as
select medical.*
from medical
where service_month between year(getvariable('index_start')) * 100 + month(getvariable('index_start'))
                        and year(getvariable('index_end')) * 100 + month(getvariable('index_end'))
  and service_date between getvariable('index_start') and getvariable('index_end');

create view index_lines as
select window_lines.*
from window_lines semi join (
    select member_key, claim_key
    from window_lines
    where exists (
        from code_rows join clauses using (codes)
        where event = getvariable('index_event') and bucket in (procedure >> 32, revenue >> 32)
          and (procedure between low and high or revenue between low and high))) using (member_key, claim_key);

create view no_fills as select * from pharmacy where false;

create table candidates as
with units as (
    select member_key, 'treated' as arm, treated_on as index_date from treatments
    union all
    select member_key, 'comparator', event_date
    from days_showing_events('index_lines', 'no_fills') where event = getvariable('index_event')
)
select row_number() over (order by member_key, arm, index_date) as unit, units.*,
       (select min(treated_on) from treatments where treatments.member_key = units.member_key) as first_treated_on
from units;

-- Everything later looks at these people only, from the earliest day of any look-back to the last day of any horizon.
create table people as
select member_key, min(index_date) + getvariable('first_day') as from_date,
       max(index_date) + getvariable('last_day') as to_date
from candidates group by member_key;

create view lines_of_people as
select medical.*
from medical join people using (member_key)
where service_month between year(getvariable('first_date')) * 100 + month(getvariable('first_date'))
                        and year(getvariable('last_date')) * 100 + month(getvariable('last_date'))
  and service_date between greatest(from_date, getvariable('first_date')) and least(to_date, getvariable('last_date'));

create view fills_of_people as
select pharmacy.*
from pharmacy join people using (member_key)
where service_month between year(getvariable('first_date')) * 100 + month(getvariable('first_date'))
                        and year(getvariable('last_date')) * 100 + month(getvariable('last_date'))
  and dispensing_date between greatest(from_date, getvariable('first_date')) and least(to_date, getvariable('last_date'));

create table event_days as from days_showing_events('lines_of_people', 'fills_of_people');
