import type { Cancellation, OrderInput, PlacedOrder } from '../../src/input/order-input.ts'

/** An order of one line, `index` deciding its invoice. */
export function order(index: number, changes: Partial<PlacedOrder> = {}): PlacedOrder {
  return {
    kind: 'order',
    invoice: String(70_000 + index),
    customerId: String(index % 20),
    country: 'Spain',
    currency: 'GBP',
    placedAt: '2026-03-02T08:00:00.000Z',
    lines: [
      { sku: `SKU-${index % 10}`, description: 'A mug', quantity: 1 + (index % 5), unitPriceCents: 250, line: index },
      { sku: `SKU-${index % 7}`, description: 'A jug', quantity: 2, unitPriceCents: 1_000, line: index + 1 },
    ],
    ...changes,
  }
}

export function cancellation(customerId: string | null): Cancellation {
  const { kind: _kind, placedAt, currency: _currency, ...rest } = order(0)
  return { ...rest, kind: 'cancellation', invoice: `C${String(customerId)}`, customerId, askedAt: placedAt }
}

export async function* inputs(...list: readonly OrderInput[]): AsyncGenerator<OrderInput> {
  yield* list
}
