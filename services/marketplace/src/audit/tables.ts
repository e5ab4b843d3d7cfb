/**
 * The audit's own tables. What the services and the gateway have is copied here first, so that every question is
 * one statement over plain tables, and a test can plant each kind of error by hand.
 */
export const AUDIT_TABLES: string = `
  -- What services committed: their own logs, the outboxes. A scheduled message is there from its time on. Positions are the order
  -- of the commits of a key, and a service's own; relayed says that the transport has confirmed it, whichever it is.
  create table committed (
    service text not null, pos bigint not null, id text not null, type text not null, stream text not null, key text,
    at timestamptz not null, relayed boolean not null
  );
  -- What groups applied, each row written in the effect's own transaction. No unique index anywhere: it would hide doubles.
  create table applied (
    service text not null, seq bigint not null, grp text not null, message_id text not null, type text not null,
    stream text not null, key text, applied_at timestamptz not null
  );
  -- Letters still dead or being replayed; those replayed are applied, those discarded are an operator's decision.
  create table dead (service text not null, grp text not null, id text not null, type text not null, error text);
  -- Parked messages, without the saga timeouts that are not due.
  create table parked (service text not null, grp text not null, id text not null, type text not null, reason text not null);
  -- Which group is to apply which type.
  create table subscription (grp text not null, type text not null, service text not null, primary key (grp, type));

  -- What was posted to Orders, and what it said.
  create table placed (
    order_id text primary key, invoice text not null, total_cents bigint not null, accepted boolean not null, reason text
  );
  create table placed_line (order_id text not null, line integer not null, sku text not null, quantity bigint not null,
    primary key (order_id, line));
  -- What Orders has.
  create table ordered (order_id text not null, state text not null, reason text, total_cents bigint not null);

  -- What the gateway has.
  create table charge (charge_id text not null, key text not null, order_id text not null, amount_cents bigint not null);
  create table refund (refund_id text not null, key text not null, charge_id text not null, order_id text not null,
    amount_cents bigint not null);

  -- What Payments has in its book.
  create table booked (order_id text not null, charged_cents bigint not null, refunded_cents bigint not null);

  -- What was put in stock, and what Inventory has.
  create table seeded (sku text primary key, quantity bigint not null);
  create table stock (sku text not null, initial bigint not null, available bigint not null, reserved bigint not null,
    sold bigint not null);
`

/** The states of an order that nothing follows. */
export const FINAL_STATES: string = `('completed', 'cancelled')`
