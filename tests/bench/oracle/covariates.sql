-- eligible -> covariates: one row per unit and covariate that is not zero.
create table care_days as
select member_key, service_date as event_date, sum(allowed_cents) as cents
from lines_of_people group by all;

create table from_events as
select unit, name, kind, count(*) as n_days
from eligible join event_days using (member_key) join asked_covariates using (event)
where event_date between index_date + first_day and index_date + last_day
group by all;

-- Charlson with the weights of Quan 2011 (doi.org/10.1093/aje/kwq433); a graver form silences the milder one.
create table charlson as
with weights as (
    from (values
        ('mi', 0, null), ('chf', 2, null), ('pvd', 0, null), ('cevd', 0, null), ('dementia', 2, null),
        ('cpd', 1, null), ('rheumd', 1, null), ('pud', 0, null), ('mld', 2, 'msld'), ('diab', 0, 'diabwc'),
        ('diabwc', 1, null), ('hp', 2, null), ('rend', 1, null), ('canc', 2, 'metacanc'), ('msld', 4, null),
        ('metacanc', 6, null), ('aids', 4, null)) as weights (condition, points, graver)
)
select unit, sum(points) as points
from from_events as shown join weights on name = 'charlson_' || condition
where not exists (from from_events as other where other.unit = shown.unit and other.name = 'charlson_' || graver)
group by unit;

create table covariates as
select unit, 'age' as name, age::bigint as value from eligible where age <> 0
union all
select unit, 'sex=' || sex, 1 from eligible where sex is not null
union all
select unit, 'region=' || region, 1 from eligible
union all
select unit, 'index_month=' || index_month, 1 from eligible
union all
select unit, name, if(kind = 'flag', 1, n_days) from from_events
union all
select unit, 'charlson_index', points from charlson where points > 0
union all
select unit, name, sum(cents)
from eligible join care_days using (member_key) cross join asked_amounts
where event_date between index_date + first_day and index_date + last_day
group by all having sum(cents) > 0;
