import type { ParkRequest } from '@acuse/core'
import fc from 'fast-check'
import { expect } from 'vitest'
import { messages, type ModelClaim, type ParkedModel } from './model.ts'
import { death, failure, type Run, unitMs } from './subject.ts'

const leaseUnits = 2
const mostBehind = 2

/** The same command on every store: each has to answer as the model does. */
export type ParkedCommand = fc.AsyncCommand<ParkedModel, readonly Run[]>

function command(
  text: string,
  check: (model: ParkedModel) => boolean,
  run: (model: ParkedModel, runs: readonly Run[]) => Promise<void>,
): ParkedCommand {
  return { check, run, toString: () => text }
}

const always = (): boolean => true

/** A command with one answer, which is the model's. */
function answered(
  text: string,
  check: (model: ParkedModel) => boolean,
  ofModel: (model: ParkedModel) => unknown,
  ofStore: (run: Run) => Promise<unknown>,
): ParkedCommand {
  return command(text, check, async (model, runs) => {
    const expected = ofModel(model)
    for (const run of runs) expect(await ofStore(run), `${text} on ${run.subject.name}`).toEqual(expected)
  })
}

/** A command on one of the claims given so far, be it stale. */
function onClaim(
  text: string,
  pick: number,
  ofModel: (model: ParkedModel, claim: ModelClaim) => unknown,
  ofStore: (run: Run, claimed: ReturnType<Run['claimed']>) => Promise<unknown>,
): ParkedCommand {
  const chosen = (model: ParkedModel): ModelClaim => {
    // The latest ones are tried most, for they are the ones that may still hold.
    const claim = model.claims[model.claims.length - 1 - (pick % model.claims.length)]
    if (claim === undefined) throw new Error('there is no claim')
    return claim
  }
  return command(
    `${text} claim -${pick}`,
    ({ claims }) => claims.length > 0,
    async (model, runs) => {
      const claim = chosen(model)
      const expected = ofModel(model, claim)
      for (const run of runs) {
        expect(
          await ofStore(run, run.claimed(nameOf(claim))),
          `${text} ${nameOf(claim)} on ${run.subject.name}`,
        ).toEqual(expected)
      }
    },
  )
}

function nameOf({ label, serial }: ModelClaim): string {
  return `${label}#${serial}`
}

const advance = (units: number): ParkedCommand =>
  command(`advance ${units}`, always, async (model, runs) => {
    model.now += units
    for (const { subject } of runs) await subject.advance(units * unitMs)
  })

const accept = (label: string): ParkedCommand =>
  answered(
    `accept ${label}`,
    always,
    (model) => model.accept(label),
    async ({ subject: { store }, group, wire }) => {
      const item = { message: wire(label), ordered: messages[label] !== null }
      return (await store.transaction((tx) => store.inbox.accept(tx, group, [item])))[0]
    },
  )

const park = (label: string, reason: ParkRequest['reason'], attempts: number, due: number): ParkedCommand => {
  const ordered = messages[label] !== null && reason !== 'timeout'
  const lease = reason === 'external' ? leaseUnits : undefined
  const failing = reason === 'retry'
  // A place behind others has no time of its own.
  const dueIn = (model: ParkedModel): number => (ordered && model.waitsBehind(label) > 0 ? 0 : due)
  return command(`park ${label} (${reason}, ${attempts} attempts, due in ${due})`, always, async (model, runs) => {
    const dueInMs = dueIn(model) * unitMs
    const row = { reason, ordered, attempts, dueAt: model.now + dueIn(model), failing }
    const expected = model.park(label, row, lease)
    for (const { subject, group, wire, remember } of runs) {
      const { store } = subject
      const more = {
        ...(failing ? { error: failure } : {}),
        ...(lease === undefined ? {} : { leaseMs: lease * unitMs }),
      }
      const answer = await store.transaction((tx) =>
        store.parked.park(tx, group, { message: wire(label), reason, ordered, attempts, dueInMs, ...more }),
      )
      if (typeof expected === 'object') {
        expect(answer, `park ${label} on ${subject.name}`).toMatchObject({ reason, attempts, crashed: false })
        if (answer !== null && answer !== 'parked') remember(nameOf(expected), answer)
      } else expect(answer ?? 'taken', `park ${label} on ${subject.name}`).toBe(expected)
    }
  })
}

const parkBehind = (label: string): ParkedCommand =>
  answered(
    `park ${label} behind`,
    () => messages[label] !== null,
    (model) => model.parkBehind(label, mostBehind),
    ({ subject: { store }, group, wire }) =>
      store.transaction((tx) => store.parked.parkBehind(tx, group, wire(label), mostBehind)),
  )

const claim = (crashed: boolean): ParkedCommand =>
  command(`claim ${crashed ? 'crashed' : 'due'}`, always, async (model, runs) => {
    const expected = model.claim(crashed, leaseUnits)
    for (const { subject, group, labelOf, remember } of runs) {
      const { claimed, nextDueInMs } = await subject.store.parked.claim(group, {
        limit: 100,
        leaseMs: leaseUnits * unitMs,
        crashed,
      })
      const answers = claimed.map((one) => ({
        label: labelOf(one.message),
        reason: one.reason,
        attempts: one.attempts,
        crashed: one.crashed,
        failing: one.failingForMs !== null,
      }))
      expect(byLabel(answers), `claim on ${subject.name}`).toEqual(byLabel(expected.answers))
      if (!crashed)
        expect(nextDueInMs === null ? null : Math.ceil(nextDueInMs / unitMs), `next due on ${subject.name}`).toBe(
          expected.nextDueIn,
        )
      for (const one of expected.claims) {
        const given = claimed.find(({ message }) => labelOf(message) === one.label)
        if (given !== undefined) remember(nameOf(one), given)
      }
    }
  })

const extend = (pick: number): ParkedCommand =>
  onClaim(
    'extend',
    pick,
    (model, held) => model.extend(held, leaseUnits),
    async ({ subject, group }, claimed) =>
      (await subject.store.parked.extend(group, [claimed], leaseUnits * unitMs)).includes(claimed.id),
  )

const complete = (pick: number): ParkedCommand =>
  onClaim(
    'complete',
    pick,
    (model, held) => model.complete(held),
    ({ subject: { store }, group }, claimed) => store.transaction((tx) => store.parked.complete(tx, group, claimed)),
  )

const reschedule = (pick: number, attempts: number, dueIn: number, failed: boolean): ParkedCommand =>
  onClaim(
    `reschedule (${attempts} attempts, due in ${dueIn})`,
    pick,
    (model, held) => model.reschedule(held, { attempts, dueIn, failed }),
    ({ subject: { store }, group }, claimed) =>
      store.transaction((tx) =>
        store.parked.reschedule(tx, group, claimed, {
          reason: 'retry',
          attempts,
          dueInMs: dueIn * unitMs,
          ...(failed ? { error: failure } : {}),
        }),
      ),
  )

const bury = (pick: number, block: boolean): ParkedCommand =>
  onClaim(
    block ? 'bury, blocking,' : 'bury',
    pick,
    (model, held) => model.bury(held, block),
    ({ subject: { store }, group }, claimed) =>
      store.transaction((tx) => store.parked.bury(tx, group, claimed, death, block)),
  )

const buryFresh = (label: string, block: boolean): ParkedCommand =>
  answered(
    `bury ${label}${block ? ', blocking' : ''}`,
    always,
    (model) => model.buryFresh(label, block),
    ({ subject: { store }, group, wire }) =>
      store.transaction((tx) => store.deadLetters.bury(tx, group, wire(label), death, { block })),
  )

const remove = (label: string): ParkedCommand =>
  answered(
    `remove ${label}`,
    always,
    (model) => model.remove(label),
    ({ subject: { store }, group, wire }) => store.transaction((tx) => store.parked.remove(tx, group, wire(label).id)),
  )

const operate = (label: string, what: 'replay' | 'discard'): ParkedCommand =>
  answered(
    `${what} ${label}`,
    always,
    (model) => model[what](label),
    async (run) => {
      const { deadLetters } = run.subject.store
      const id = await run.letterId(label)
      const filter = { group: run.group, ids: id === undefined ? [] : [id] }
      return what === 'replay' ? deadLetters.replay(filter, { force: false }) : deadLetters.discard(filter)
    },
  )

const look = (): ParkedCommand =>
  answered(
    'look',
    always,
    (model) => model.seen(),
    async ({ subject: { store }, group, labelOf }) => {
      const letters = await store.deadLetters.list({ group, limit: 1_000 })
      return {
        counts: await store.parked.counts(group),
        letters: Object.fromEntries(
          letters.map(({ message, state, blocking }) => [labelOf(message), `${state}${blocking ? ' blocking' : ''}`]),
        ),
      }
    },
  )

function byLabel<One extends { readonly label: string }>(list: readonly One[]): One[] {
  return list.toSorted((one, other) => one.label.localeCompare(other.label))
}

const label = fc.constantFrom(...Object.keys(messages))
const reason = fc.constantFrom('retry', 'suspect', 'timeout', 'external', 'replay')
const recent = fc.nat({ max: 3 })
const due = fc.nat({ max: 3 })

/** Lists of commands, each shrinking towards fewer and simpler ones. */
export function parkedCommands(most: number): fc.Arbitrary<Iterable<ParkedCommand>> {
  return fc.commands(
    [
      fc.integer({ min: 1, max: 3 }).map(advance),
      label.map(accept),
      fc.tuple(label, reason, fc.nat({ max: 2 }), due).map((parts) => park(...parts)),
      label.map(parkBehind),
      label.map(parkBehind),
      fc.boolean().map(claim),
      fc.boolean().map(claim),
      recent.map(extend),
      recent.map(complete),
      fc.tuple(recent, fc.nat({ max: 3 }), due, fc.boolean()).map((parts) => reschedule(...parts)),
      fc.tuple(recent, fc.boolean()).map((parts) => bury(...parts)),
      fc.tuple(label, fc.boolean()).map((parts) => buryFresh(...parts)),
      label.map(remove),
      label.map((one) => operate(one, 'replay')),
      label.map((one) => operate(one, 'discard')),
      fc.constant(look()),
    ],
    // As many as are allowed: a short list never gets to a replay.
    { maxCommands: most, size: 'max' },
  )
}
