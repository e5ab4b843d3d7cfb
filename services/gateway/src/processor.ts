import { createHash } from 'node:crypto'

import { TOKENS, chance } from './behaviour.ts'
import type { Behaviour } from './behaviour.ts'
import { CANCEL_PREFIX, answerOf } from './entry.ts'
import type { Answer, ChargeRequest, Entry } from './entry.ts'
import { GatewayError } from './gateway-error.ts'
import { openJournal } from './journal.ts'
import { createLedger } from './ledger.ts'
import type { LedgerCharge, LedgerReport } from './ledger.ts'
import { isCard } from './payment-method.ts'

/** What becomes of a request: an answer, perhaps lost on its way, or silence until the client gives up. */
export type Outcome = { silent: true } | { silent: false; answer: Answer; replay: boolean; lost: boolean }

export interface Cancelled {
  outcome: 'refunded' | 'not_charged'
  chargeId?: string
}

/** The card processor: decides once per idempotency key, and remembers. */
export interface Processor {
  charge(key: string, request: ChargeRequest): Promise<Outcome>
  /** Gives back part of a charge, or what is left of it. */
  refund(key: string, chargeId: string, amountCents?: number): Promise<Outcome>
  /**
   * Undoes a charge whose answer never came, by its key: refunds it if it was made, and otherwise makes sure that it
   * never will be.
   */
  cancel(key: string): Promise<Cancelled>
  ledger(): LedgerReport
  /** Orders whose charge is being decided at this moment. */
  charging(): string[]
  close(): Promise<void>
}

export interface ProcessorOptions {
  journal: string
  seed: string
  behaviour: () => Behaviour
  /** Waits, or returns early when the processor is about to close. */
  pause: (ms: number) => Promise<void>
}

export async function createProcessor({ journal: path, seed, behaviour, pause }: ProcessorOptions): Promise<Processor> {
  const ledger = createLedger()
  /** `print` is `null` for a cancelled key: whatever comes with it is answered by the cancellation. */
  const decisions = new Map<string, { print: string | null; answer: Promise<Answer> }>()
  const journal = await openJournal(path, (entry) => {
    ledger.add(entry)
    const print = entry.type === 'cancellation' ? null : entry.print
    decisions.set(entry.key, { print, answer: Promise.resolve(answerOf(entry)) })
  })

  const happens = (rate: number, purpose: string, key: string): boolean => chance(seed, purpose, key) < rate
  const idOf = (prefix: string, key: string): string => `${prefix}_${digest([seed, key]).slice(0, 24)}`

  const record = async (entry: Entry): Promise<Answer> => {
    // Added before it is on the disk, so that two refunds under way cannot both take what is left of a charge.
    ledger.add(entry)
    await journal.append(entry)
    return answerOf(entry)
  }

  // The first request with a key decides. Those that come while it does wait for the same decision.
  const decideOnce = async (key: string, print: string, decide: () => Entry): Promise<Outcome> => {
    const known = decisions.get(key)
    if (known !== undefined) {
      if (known.print !== null && known.print !== print) {
        throw new GatewayError(409, 'idempotency_key_reused', 'the key was used with another request')
      }
      return { silent: false, answer: await known.answer, replay: true, lost: false }
    }
    const { slowRate, slowMs, loseResponseRate } = behaviour()
    const work = async (): Promise<Answer> => {
      if (happens(slowRate, 'slow', key)) await pause(slowMs)
      return record(decide())
    }
    const answer = work()
    decisions.set(key, { print, answer })
    try {
      return { silent: false, answer: await answer, replay: false, lost: happens(loseResponseRate, 'lose', key) }
    } catch (error) {
      // After a failed write nobody knows what is on the disk: such a key stays without an answer until a restart reads it.
      if (error instanceof GatewayError) decisions.delete(key)
      throw error
    }
  }

  const deciding = new Map<string, string>()

  const charge: Processor['charge'] = async (key, request) => {
    const { orderId, amountCents, currency, paymentMethod } = request
    if (paymentMethod.startsWith(TOKENS.timeout) && !decisions.has(key)) return { silent: true }
    const print = digest(['charge', orderId, amountCents, currency, paymentMethod])
    if (!decisions.has(key)) deciding.set(key, orderId)
    const outcome = await decideOnce(key, print, () => {
      const decided = { key, print, orderId, amountCents, currency, paymentMethod, at: new Date().toISOString() }
      const reason = refusal(paymentMethod, happens(behaviour().refuseRate, 'refuse', key))
      return reason === undefined
        ? { type: 'charge', chargeId: idOf('ch', key), ...decided }
        : { type: 'refusal', reason, ...decided }
    }).finally(() => deciding.delete(key))
    if (outcome.silent || outcome.replay) return outcome
    return { ...outcome, lost: outcome.lost || paymentMethod.startsWith(TOKENS.lost) }
  }

  const refund: Processor['refund'] = async (key, chargeId, amountCents) => {
    const print = digest(['refund', chargeId, amountCents ?? 'all'])
    return decideOnce(key, print, () => {
      const charged = ledger.charge(chargeId)
      if (charged === undefined) throw new GatewayError(404, 'unknown_charge', `there is no charge ${chargeId}`)
      const refundable = leftOf(charged)
      const amount = amountCents ?? refundable
      if (amount > refundable || amount === 0) {
        throw new GatewayError(422, 'refund_exceeds_charge', `of this charge ${refundable} cents are left to refund`)
      }
      const { orderId } = charged
      return {
        type: 'refund',
        refundId: idOf('re', key),
        chargeId,
        orderId,
        amountCents: amount,
        key,
        print,
        at: new Date().toISOString(),
      }
    })
  }

  const cancel: Processor['cancel'] = async (key) => {
    const known = decisions.get(key)
    if (known === undefined) {
      const answer = record({ type: 'cancellation', key, at: new Date().toISOString() })
      decisions.set(key, { print: null, answer })
      await answer
      return { outcome: 'not_charged' }
    }
    await known.answer
    const charged = ledger.chargeOfKey(key)
    if (charged === undefined) return { outcome: 'not_charged' }
    if (leftOf(charged) > 0) await refund(`${CANCEL_PREFIX}${key}`, charged.chargeId)
    return { outcome: 'refunded', chargeId: charged.chargeId }
  }

  return {
    charge,
    refund,
    cancel,
    ledger: () => ledger.report(),
    charging: () => [...deciding.values()],
    close: () => journal.close(),
  }
}

function refusal(paymentMethod: string, unlucky: boolean): string | undefined {
  if (!isCard(paymentMethod)) return 'invalid_payment_method'
  if (paymentMethod.startsWith(TOKENS.refused)) return 'card_declined'
  return unlucky ? 'insufficient_funds' : undefined
}

function leftOf(charge: LedgerCharge): number {
  return charge.amountCents - charge.refundedCents
}

function digest(parts: readonly (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}
