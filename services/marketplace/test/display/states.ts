import type { ProgressState } from '../../src/display/render.ts'
import type { Summary } from '../../src/display/summary-type.ts'

export const busy: ProgressState = {
  seconds: 75.4,
  orders: { total: 2_000, placed: 1_250, confirmed: 1_100, cancelled: 90, failed: 3 },
  messagesPerSecond: 1_480.6,
  retries: 1,
  deadLetters: 2,
  faults: 1,
  services: [
    { name: 'orders', state: 'up' },
    { name: 'inventory', state: 'starting' },
    { name: 'payments', state: 'down' },
  ],
}

export const good: Summary = {
  transport: 'RabbitMQ 4.0.5',
  orders: {
    total: 2_000,
    confirmed: 1_639,
    outOfStock: 120,
    paymentRefused: 96,
    paymentTimedOut: 24,
    cancelled: 80,
    expired: 1,
    rejectedBeforeOrder: 40,
    open: 0,
  },
  rejectedLines: 18,
  messages: { published: 11_250, applied: 18_400 },
  retries: 310,
  deadLetters: 0,
  latencyMs: { p50: 6.24, p95: 18.9, p99: 44.6, max: 1_250.2, count: 18_400 },
  correctness: { lost: 0, duplicated: 0, outOfOrder: 0 },
  money: {
    chargedCents: 88_123_405,
    refundedCents: 123_400,
    confirmedCents: 88_000_005,
    doubleCharges: 0,
    balanced: true,
  },
  stock: { initial: 500_000, reserved: 0, sold: 42_310, available: 457_690, balanced: true },
  faults: { kills: 3, restarts: 3 },
  seconds: 92.3,
  ok: true,
  problems: [],
  addresses: {
    orders: 'http://127.0.0.1:4001',
    inventory: 'http://127.0.0.1:4002',
    payments: 'http://127.0.0.1:4003',
    gateway: 'http://127.0.0.1:4004',
  },
}

export const wrong: Summary = {
  ...good,
  latencyMs: { p50: 0, p95: 0, p99: 0, max: 0, count: 0 },
  correctness: { lost: 1, duplicated: 0, outOfOrder: 0 },
  money: { ...good.money, doubleCharges: 1, balanced: false },
  stock: { ...good.stock, available: 457_689, balanced: false },
  ok: false,
  problems: ['order 536365: charged twice (ch_1, ch_2)', '1 unit of 85123A is missing'],
}
