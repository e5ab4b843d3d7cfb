-- Orders as whoever asks sees them. The saga that moves them on has tables of its own.
create table if not exists orders (
  order_id text primary key,
  state text not null check (state in ('pending', 'reserved', 'paying', 'confirmed', 'completed', 'cancelled')),
  reason text check ((reason is not null) = (state = 'cancelled')),
  customer_id text,
  country text not null,
  currency text not null,
  amount_cents bigint not null,
  lines jsonb not null,
  cancel_requested_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  changed_at timestamptz not null default clock_timestamp()
);
create index if not exists orders_by_state on orders (state, created_at desc);

-- What was answered to each request for an order, be it that there was none: asking again gives the same answer.
create table if not exists answers (
  order_id text primary key,
  status int not null,
  body jsonb not null,
  given_at timestamptz not null default clock_timestamp()
);
