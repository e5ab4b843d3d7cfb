-- Once, after the first migration, as its owner: old parts of the log are emptied by TRUNCATE.
grant truncate on
  acuse.log_0, acuse.log_1, acuse.log_2, acuse.log_3, acuse.log_4, acuse.log_5, acuse.log_6, acuse.log_7
  to shop_service;
