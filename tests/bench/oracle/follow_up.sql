-- eligible -> follow_up: from the day after the index date to the first of later treatment (comparators, to the day
-- before), death, end of the first cover asked for that holds the index date, end of data. Ties in this order.
create table follow_up as
with ends as (
    select unit, index_date,
           (select min(treated_on) - 1 from treatments
            where arm = 'comparator' and treatments.member_key = eligible.member_key and treated_on > index_date)
               as treatment,
           death_date as death,
           (select min(end_date) from enrollment
            where enrollment.member_key = eligible.member_key and benefit in (from benefits)
              and index_date between start_date and end_date) as coverage_end,
           getvariable('data_end') as data_end
    from eligible left join members using (member_key)
)
select unit, least(treatment, death, coverage_end, data_end) as end_date,
       case end_date when treatment then 'treatment' when death then 'death' when coverage_end then 'coverage_end'
            else 'data_end' end as censored_by,
       greatest(end_date - index_date, 0) as days
from ends;
