-- conf/codesets/*.csv -> code_rows: which stored codes (BIGINT) mean which code set, on which service dates.
-- How a code is stored: docs/codesets.md. The top byte is the system; seven ASCII characters follow, or a product number.
-- A row is cut at the borders of `code >> 32` (system and first three characters), so that claims can be joined by equality.
create macro system_number(system) as
    map {'icd10cm': 1, 'icd9cm': 2, 'hcpcs': 3, 'revenue': 4, 'ndc': 5, 'place': 6}[system]::bigint;

create macro ascii_code(code, filler) as
    list_sum(list_transform(range(1, 8), lambda i:
        if(i <= length(code), ascii(code[i]), filler)::bigint << (8 * (7 - i))))::bigint;

create macro padded(system, code) as
    case system when 'revenue' then lpad(code, 4, '0') when 'place' then lpad(code, 2, '0') else code end;

create macro first_code(system, code) as
    (system_number(system) << 56) + if(system = 'ndc', rpad(code, 11, '0')::bigint << 19, ascii_code(code, 0));

create macro last_code(system, code) as
    (system_number(system) << 56)
    + if(system = 'ndc', (rpad(code, 11, '9')::bigint << 19) + (1 << 19) - 1, ascii_code(code, 255));

create table code_set_rows as
with written as (
    select parse_filename(filename, true) as codes, system, upper(regexp_replace(code, '[. ]', '', 'g')) as code,
           try_cast(valid_from as date) as valid_from, try_cast(valid_to as date) as valid_to
    from read_csv(getvariable('code_sets'), comment = '#', header = true, filename = true, all_varchar = true)
)
select codes, system, padded(system, rtrim(split_part(code, '-', 1), '*')) as first_prefix,
       padded(system, rtrim(split_part(code, '-', -1), '*')) as last_prefix, code like '%*' as is_prefix,
       coalesce(valid_from, date '0001-01-01') as valid_from, coalesce(valid_to, date '9999-12-31') as valid_to
from written
where codes in (select codes from wanted_code_sets);

create table code_rows as
with ranges as (
    select *, first_code(system, first_prefix) as low,
           if(is_prefix, last_code(system, last_prefix), first_code(system, last_prefix)) as high
    from code_set_rows
)
select distinct codes, unnest(generate_series(low >> 32, high >> 32)) as bucket, low, high, valid_from, valid_to
from ranges;
