-- $1 stream, $2 lane (0 normal, 1 high, 2 critical), $3 partition, $4 key or null, $5 id, $6 type, $7 headers as JSON, $8 body
select acuse.log_append(
  array[s.name],
  array[s.id::integer],
  array[s.id * 1024 + $2::integer * 256 + $3::integer],
  array[$4::text],
  array[$5::text],
  array[$6::text],
  $7::text,
  replace(encode(convert_to($8::text, 'UTF8'), 'base64'), E'\n', ''),
  null
)
from acuse.stream s
where s.name = $1
