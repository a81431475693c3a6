-- Claim lines and fills -> event_days: the distinct days on which a member shows an event of the study.
-- A line counts when one of its codes is in the clause's code set on its date and, where the clause asks for it, the
-- service was in person, a therapist rendered it, and a diagnosis of the other set is on the same claim.
create macro days_showing_events(lines, fills) as table
with coded as (
    select member_key, claim_key, service_date as event_date,
           coalesce(place in ('02', '10'), false)
               or coalesce(list_contains(modifiers, '95'), false) as is_telehealth,
           coalesce(specialty in ('65', '225100000X', '2251X0800X'), false)
               or coalesce(list_contains(modifiers, 'GP'), false) as is_therapist,
           unnest(coalesce(diagnoses, []) || [procedure, revenue, first_code('place', place)]) as code
    from query_table(lines)
    union all
    select member_key, null, dispensing_date, false, false, ndc from query_table(fills)
),
shown as materialized (
    select distinct member_key, claim_key, event_date, is_telehealth, is_therapist, codes
    from coded join code_rows on coded.code >> 32 = bucket and code between low and high
    where event_date between valid_from and valid_to
)
select distinct line.member_key, line.event_date, event
from shown as line join clauses using (codes)
where (not needs_person or not is_telehealth) and (not needs_therapist or is_therapist)
  and (diagnosis is null or exists (
      from shown as other
      where other.member_key = line.member_key and other.claim_key = line.claim_key and other.codes = diagnosis));
