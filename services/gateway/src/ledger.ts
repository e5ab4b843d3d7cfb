import type { ChargeEntry, Entry, RefundEntry } from './entry.ts'

export interface LedgerReport {
  charges: LedgerCharge[]
  refunds: LedgerRefund[]
  totals: {
    charges: number
    chargedCents: number
    refunds: number
    refundedCents: number
    refusals: number
    cancellations: number
  }
  /** Orders with more than one charge: none, if whoever charges keeps one key for one order. */
  doubleCharges: { orderId: string; chargeIds: string[] }[]
}

export type LedgerCharge = Pick<
  ChargeEntry,
  'chargeId' | 'key' | 'orderId' | 'amountCents' | 'currency' | 'paymentMethod' | 'at'
> & { refundedCents: number }

export type LedgerRefund = Pick<RefundEntry, 'refundId' | 'chargeId' | 'key' | 'orderId' | 'amountCents' | 'at'>

/** Every decision, added up. */
export interface Ledger {
  add(entry: Entry): void
  charge(chargeId: string): LedgerCharge | undefined
  chargeOfKey(key: string): LedgerCharge | undefined
  report(): LedgerReport
}

export function createLedger(): Ledger {
  const charges = new Map<string, LedgerCharge>()
  const chargesByKey = new Map<string, LedgerCharge>()
  const refunds: LedgerRefund[] = []
  let refusals = 0
  let cancellations = 0

  return {
    add(entry) {
      switch (entry.type) {
        case 'charge': {
          const { type: _type, print: _print, ...kept } = entry
          const charge = { ...kept, refundedCents: 0 }
          charges.set(charge.chargeId, charge)
          chargesByKey.set(charge.key, charge)
          break
        }
        case 'refund': {
          const { type: _type, print: _print, ...refund } = entry
          refunds.push(refund)
          const charge = charges.get(refund.chargeId)
          if (charge !== undefined) charge.refundedCents += refund.amountCents
          break
        }
        case 'refusal':
          refusals += 1
          break
        case 'cancellation':
          cancellations += 1
          break
      }
    },
    charge: (chargeId) => charges.get(chargeId),
    chargeOfKey: (key) => chargesByKey.get(key),
    report() {
      const charged = [...charges.values()]
      return {
        charges: charged,
        refunds,
        totals: {
          charges: charged.length,
          chargedCents: sumCents(charged),
          refunds: refunds.length,
          refundedCents: sumCents(refunds),
          refusals,
          cancellations,
        },
        doubleCharges: doubleCharges(charged),
      }
    },
  }
}

function sumCents(rows: readonly { amountCents: number }[]): number {
  return rows.reduce((sum, row) => sum + row.amountCents, 0)
}

function doubleCharges(charges: readonly LedgerCharge[]): LedgerReport['doubleCharges'] {
  return [...Map.groupBy(charges, (charge) => charge.orderId)]
    .filter(([, ofOrder]) => ofOrder.length > 1)
    .map(([orderId, ofOrder]) => ({ orderId, chargeIds: ofOrder.map((charge) => charge.chargeId) }))
}
