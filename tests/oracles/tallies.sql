-- Claims tables -> tallies: what the profile of a site counts, by topic, table, column, code system and place (a month,
-- a class, an amount). Told again from docs/profile.md; the table code_texts has the system and text of every code.
create macro month_of(day) as year(day) * 100 + month(day);
create macro two_digits(cents) as
    cents - cents % (10 ** (greatest(length(abs(cents)::varchar), 4) - 2))::bigint;
create macro is_empty(list) as coalesce(len(list), 0) = 0;

create table all_lines as
select 'medical' as part, member_key, service_date as day, month_of(service_date) as month, service_end_date as end_day,
       claim_type, procedure, modifiers, revenue, place, bill_type, drg, specialty, diagnoses, facility_procedures, concepts,
       null::bigint as ndc, null::int as days_supply, null::decimal(12, 3) as quantity, allowed_cents, paid_cents
from medical
union all
select 'pharmacy', member_key, dispensing_date, month_of(dispensing_date), null, null, null, null, null, null, null, null, null,
       null, null, concepts, ndc, days_supply, quantity, allowed_cents, paid_cents
from pharmacy;

create table wrong as
select part, month, unnest(case part when 'medical' then [
        {'topic': 'missing', 'name': 'service_end_date', 'is_so': end_day is null},
        {'topic': 'missing', 'name': 'procedure', 'is_so': procedure is null},
        {'topic': 'missing', 'name': 'revenue', 'is_so': revenue is null},
        {'topic': 'missing', 'name': 'place', 'is_so': place is null},
        {'topic': 'missing', 'name': 'bill_type', 'is_so': bill_type is null},
        {'topic': 'missing', 'name': 'drg', 'is_so': drg is null},
        {'topic': 'missing', 'name': 'specialty', 'is_so': specialty is null},
        {'topic': 'missing', 'name': 'facility_procedures', 'is_so': is_empty(facility_procedures)},
        {'topic': 'missing', 'name': 'diagnoses', 'is_so': is_empty(diagnoses)},
        {'topic': 'missing', 'name': 'modifiers', 'is_so': is_empty(modifiers)},
        {'topic': 'invalid', 'name': 'claim_type', 'is_so': claim_type not in ('professional', 'institutional', 'dme', 'other')},
        {'topic': 'invalid', 'name': 'service_end_date', 'is_so': end_day < day}
    ] else [
        {'topic': 'missing', 'name': 'ndc', 'is_so': ndc is null},
        {'topic': 'missing', 'name': 'days_supply', 'is_so': days_supply is null},
        {'topic': 'missing', 'name': 'quantity', 'is_so': quantity is null},
        {'topic': 'invalid', 'name': 'days_supply', 'is_so': days_supply < 1 or days_supply > 366},
        {'topic': 'invalid', 'name': 'quantity', 'is_so': quantity <= 0}
    ] end || [
        {'topic': 'missing', 'name': 'concepts', 'is_so': is_empty(concepts)},
        {'topic': 'missing', 'name': 'allowed_cents', 'is_so': allowed_cents is null},
        {'topic': 'missing', 'name': 'paid_cents', 'is_so': paid_cents is null},
        {'topic': 'invalid', 'name': 'allowed_cents', 'is_so': allowed_cents < 0},
        {'topic': 'invalid', 'name': 'paid_cents', 'is_so': paid_cents < 0}
    ]) as rule
from all_lines;

create table judged as
select line.part, line.month, unnest([
        {'name': 'outside_cover', 'is_so': not exists (
            from enrollment as span
            where span.member_key = line.member_key and span.benefit = line.part
              and line.day between span.start_date and span.end_date)},
        {'name': 'before_birth', 'is_so': line.day < birth_date},
        {'name': 'after_death', 'is_so': line.day > death_date},
        {'name': 'long_after_death', 'is_so': line.day > death_date + 30}]) as rule
from all_lines as line left join members using (member_key);

create table coded as
select part, month, name, coalesce(system, name) as system, coalesce(code_texts.text, given) as text
from (
    select part, month, unnest([
        {'name': 'procedure', 'code': procedure, 'given': null}, {'name': 'revenue', 'code': revenue, 'given': null},
        {'name': 'ndc', 'code': ndc, 'given': null}, {'name': 'place', 'code': null, 'given': place},
        {'name': 'bill_type', 'code': null, 'given': bill_type}, {'name': 'specialty', 'code': null, 'given': specialty},
        {'name': 'drg', 'code': drg, 'given': null}
    ] || list_transform(coalesce(diagnoses, []), lambda one: {'name': 'diagnoses', 'code': one, 'given': null})
      || list_transform(coalesce(facility_procedures, []),
                        lambda one: {'name': 'facility_procedures', 'code': one.code, 'given': null}), recursive := true)
    from all_lines)
left join code_texts using (code)
where code is not null or given is not null;

create table tallies as
select 'lines' as topic, part, '' as name, '' as detail, month as at, count(*) as n from all_lines group by all
union all
select 'lines', 'members', '', '', 0, count(*) from members
union all
select 'deaths', 'members', '', '', 0, count(death_date) from members
union all
select 'missing', 'members', 'birth_date', '', 0, count(*) from members where birth_date is null
union all
select 'missing', 'members', 'sex', '', 0, count(*) from members where coalesce(sex, 'U') not in ('F', 'M')
union all
select 'missing', 'members', 'state', '', 0, count(*) from members where is_empty(residences)
union all
select rule.topic, part, rule.name, '', month, count(*) from wrong where rule.is_so group by all
union all
select 'outside', part, rule.name, '', month, count(*) from judged where rule.is_so group by all
union all
select 'people', part, '', '', month, count(distinct member_key) from all_lines group by all
union all
select 'people_ever', part, '', '', month, count(*)
from (select part, member_key, min(month) as month from all_lines group by all) group by all
union all
select 'spans', benefit, '', '', least(n_spans, 5), count(*)
from (select benefit, member_key, count(*) as n_spans from enrollment group by all) group by all
union all
select 'gaps', benefit, '', '', case when days <= 31 then 31 when days <= 92 then 92 when days <= 183 then 183
       when days <= 365 then 365 else 0 end as class, count(*)
from (select benefit, start_date - lag(end_date) over (partition by member_key, benefit order by start_date) - 1 as days
      from enrollment)
where days is not null group by all
union all
select 'codes', part, name, system, month, count(*) from coded group by all
union all
select 'unrecognised', part, name, coded.system, month, count(*)
from coded left join formats using (system) where not coalesce(regexp_matches(coded.text, pattern), system = 'ndc') group by all
union all
select 'amounts', part, 'allowed_cents', '', two_digits(allowed_cents), count(*)
from all_lines where allowed_cents is not null group by all
union all
select 'amounts', part, 'paid_cents', '', two_digits(paid_cents), count(*)
from all_lines where paid_cents is not null group by all;

-- Members with a day of cover, month by month.
create table covered as
select benefit as part, month_of(month) as at, count(distinct member_key) as n
from enrollment, (select unnest(generate_series(date '2016-01-01', date '2022-12-01', interval 1 month))::date as month)
where start_date <= last_day(month) and end_date >= month group by all;
