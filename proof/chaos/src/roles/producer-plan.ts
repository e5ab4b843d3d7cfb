import { newId, type OutgoingMessage, type PublishOptions } from '@acuse/core'
import type { PoolClient } from 'pg'
import { Call, type Fate, FlowEvent, Huge, type Kind, Leap, Note, Step } from '../messages.ts'
import type { Workload } from '../plan.ts'
import type { Random } from '../random.ts'

/** A message with what the table of committed messages says of it. */
export interface Planned {
  readonly message: OutgoingMessage
  readonly options: PublishOptions
  readonly kind: Kind
  readonly key: string | null
  readonly sequence: number | null
  readonly fate: Fate
  readonly delayMs: number | null
  readonly flow: string | null
  readonly amount: number | null
}

export interface Flow {
  readonly id: string
  readonly events: number
  readonly amount: number
}

export interface Planning {
  readonly workload: Workload
  readonly random: Random
  readonly keys: readonly string[]
}

const tooLargeBytes = 24_000
const blank = { options: {}, key: null, sequence: null, fate: 'ok', delayMs: null, flow: null, amount: null } as const

/** Decides what a transaction publishes, and locks the keys it publishes for. */
export async function plan(planning: Planning, tx: PoolClient): Promise<{ planned: Planned[]; flow: Flow | null }> {
  const { workload, random } = planning
  const planned: Planned[] = []
  for (const { key, first, count } of await lockKeys(planning, tx)) {
    for (let sequence = first; sequence < first + count; sequence++) planned.push(keyedMessage(planning, key, sequence))
  }
  const size = planned.length
  if (random.chance(workload.noteRate * size)) {
    const delayMs = random.whole(100, 2_000)
    planned.push({ ...blank, message: Note({ delayMs }), options: { deliverAfterMs: delayMs }, kind: 'note', delayMs })
  }
  if (random.chance(workload.hugeRate * size)) {
    planned.push({ ...blank, message: Huge({ padding: 'x'.repeat(tooLargeBytes) }), kind: 'huge' })
  }
  const flow = random.chance(workload.flowRate * size) ? planFlow(random, planned) : null
  return { planned, flow }
}

function planFlow(random: Random, planned: Planned[]): Flow {
  const id = `f-${newId(Date.now())}`
  const amounts = Array.from({ length: random.whole(2, 6) }, () => random.whole(1, 100))
  for (const amount of amounts) {
    const message = FlowEvent({ flow: id, events: amounts.length, amount })
    planned.push({ ...blank, message, kind: 'flow', flow: id, amount })
  }
  return { id, events: amounts.length, amount: amounts.reduce((sum, amount) => sum + amount, 0) }
}

/** Locks the rows of some keys, in their order, so that no two writers wait for each other in a circle, and draws their next sequences. */
async function lockKeys(
  { random, keys, workload }: Planning,
  tx: PoolClient,
): Promise<{ readonly key: string; readonly first: number; readonly count: number }[]> {
  const wanted = new Map<string, number>()
  for (let draw = random.whole(1, 20); draw > 0; draw--) {
    const key = random.pick(keys) ?? ''
    // Calls have keys of their own, as they have a stream of their own.
    wanted.set(random.chance(workload.callRate) ? `c${key}` : key, random.whole(1, 5))
  }
  const sorted = [...wanted].toSorted(([one], [other]) => (one < other ? -1 : 1))
  const { rows } = await tx.query<{ key: string; sequence: number }>(
    `update chaos_key k set sequence = k.sequence + w.count
     from (
       select c.key, q.count from unnest($1::text[], $2::int[]) q(key, count) join chaos_key c using (key)
       order by c.key for update of c
     ) w where k.key = w.key returning k.key, k.sequence`,
    [sorted.map(([key]) => key), sorted.map(([, count]) => count)],
  )
  return rows.map(({ key, sequence }) => {
    const count = wanted.get(key) ?? 1
    return { key, first: sequence - count + 1, count }
  })
}

function keyedMessage({ random, workload }: Planning, key: string, sequence: number): Planned {
  const data = { key, sequence, fate: drawFate(random, workload) }
  const isCall = key.startsWith('c')
  if (isCall) return { ...blank, ...data, message: Call(data), kind: 'call' }
  // A handler of a batch cannot refuse one of it.
  const isLeap = data.fate === 'refused' || random.chance(workload.leapRate)
  return { ...blank, ...data, message: isLeap ? Leap(data) : Step(data), kind: 'step' }
}

function drawFate(random: Random, { flakyRate, poisonRate, refusedRate }: Workload): Fate {
  const drawn = random.next()
  if (drawn < poisonRate) return 'poison'
  if (drawn < poisonRate + refusedRate) return 'refused'
  return drawn < poisonRate + refusedRate + flakyRate ? 'flaky' : 'ok'
}

/** Writes down, in the transaction itself, what it commits. `ids` are those of the messages, in their order. */
export async function record(
  tx: PoolClient,
  process: string,
  planned: readonly Planned[],
  ids: readonly string[],
  flow: Flow | null,
): Promise<void> {
  await tx.query(
    `insert into committed (id, kind, key, sequence, fate, delay_ms, flow, amount, process)
     select *, $9 from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::int[], $7::text[], $8::int[])`,
    [
      ids,
      planned.map(({ kind }) => kind),
      planned.map(({ key }) => key),
      planned.map(({ sequence }) => sequence),
      planned.map(({ fate }) => fate),
      planned.map(({ delayMs }) => delayMs),
      planned.map((one) => one.flow),
      planned.map(({ amount }) => amount),
      process,
    ],
  )
  if (flow !== null) await tx.query('insert into flow values ($1, $2, $3)', [flow.id, flow.events, flow.amount])
}
