-- What became of each order's payment, in hundredths of its currency: the service's own book. Whether a card was charged
-- is the gateway's to say; a row is written when its answer is.
create table if not exists payments (
  order_id text primary key,
  state text not null check (state in ('charged', 'refused', 'refunded', 'cancelled')),
  charge_id text,
  charged_cents bigint not null default 0 check (charged_cents >= 0),
  refunded_cents bigint not null default 0 check (refunded_cents between 0 and charged_cents),
  reason text,
  changed_at timestamptz not null default clock_timestamp()
);
