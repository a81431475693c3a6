-- cohort -> attrition: by arm and criterion, who falls there and who is left. Step 0 is the raw count.
create table attrition as
with ends as (
    select arm, member_key, coalesce(step, 1000) as step
    from cohort left join criteria on excluded_by = criterion
)
select arms.arm, criteria.step, criterion,
       count(*) filter (ends.step = criteria.step) as n_excluded,
       count(*) filter (ends.step > criteria.step) as n_remaining,
       count(distinct member_key) filter (ends.step > criteria.step) as n_members_remaining
from criteria cross join (values ('treated'), ('comparator')) as arms (arm) left join ends on ends.arm = arms.arm
group by all;
