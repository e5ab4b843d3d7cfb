import type { Counted } from '../contestants/contestant.ts'

/** The three services of a checkout, each a process with a database of its own. */
export type Role = 'orders' | 'inventory' | 'payments'

export const roles: readonly Role[] = ['orders', 'inventory', 'payments']

export interface CheckoutStart {
  readonly role: Role
  /** The service's own database. */
  readonly storeUrl: string
  /** The database that carries messages between services. */
  readonly messagesUrl: string
}

export interface CheckoutSlice {
  readonly ms: number
  readonly warmMs: number
  /** Orders under way at once: the next is placed when one is confirmed. */
  readonly atOnce: number
}

/** One service of a checkout: order created, stock reserved, payment taken, order confirmed. */
export interface CheckoutActor {
  start(options: CheckoutStart): Promise<void>
  /** Whether it looks for messages: what polls would otherwise take its share of the machine from the other side's slice. */
  work(on: boolean): Promise<void>
  /** Places orders and counts those confirmed; the orders service only. */
  run(slice: CheckoutSlice): Promise<Counted>
  close(): Promise<void>
}

/** The tables of a service, whoever writes the saga. */
export const serviceTables: Readonly<Record<Role, string>> = {
  orders: `create table if not exists orders (id text primary key, sku text not null, quantity int not null, status text not null)`,
  inventory: `create table if not exists reservation (order_id text primary key, sku text not null, quantity int not null);
    create table if not exists stock (sku text primary key, available bigint not null);
    insert into stock select 'sku-' || n, 1000000000 from generate_series(0, 996) n on conflict do nothing`,
  payments: `create table if not exists payment (order_id text primary key, amount int not null)`,
}

/** Keeps orders under way: those that begin, and those that end. */
export class OrderFlow {
  readonly #waiting = new Map<string, () => void>()

  /** Resolves when `confirmed` is called with the id. */
  place(id: string): Promise<void> {
    return new Promise((resolve) => this.#waiting.set(id, resolve))
  }

  confirmed(id: string): void {
    this.#waiting.get(id)?.()
    this.#waiting.delete(id)
  }
}
