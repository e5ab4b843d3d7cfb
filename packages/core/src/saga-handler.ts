import { point } from './diagnostics.ts'
import { AcuseError, ConfigurationError } from './errors.ts'
import { GroupDeclaration } from './group.ts'
import type { GroupOptions, HandlerContext } from './handler.ts'
import { encodeJson } from './json.ts'
import type { Message, WireMessage } from './message.ts'
import type { OutgoingSettings } from './outgoing.ts'
import { checkAtLeast } from './names.ts'
import type { Saga, SagaStep } from './saga.ts'
import type { StandardSchema } from './schema.ts'
import type { SagaRecord, Store } from './store.ts'
import { stream } from './stream.ts'
import { keyWithin, sagaWithin } from './tenant.ts'

/** What a saga's handlers need and have only once the bus runs. */
export interface SagaRuntime<Tx> {
  readonly store: Store<Tx>
  readonly outgoing: OutgoingSettings
}

interface TimeoutData {
  readonly saga: string
  readonly sagaId: string
  readonly timeout: string
}

const timeoutSchema: StandardSchema<TimeoutData> = {
  '~standard': {
    version: 1,
    vendor: 'acuse',
    validate: (value) => (isTimeoutData(value) ? { value } : { issues: [{ message: 'not a saga timeout' }] }),
  },
}

function isTimeoutData(value: unknown): value is TimeoutData {
  if (typeof value !== 'object' || value === null) return false
  return (
    'saga' in value &&
    'sagaId' in value &&
    typeof value.sagaId === 'string' &&
    'timeout' in value &&
    typeof value.timeout === 'string'
  )
}

/** Timeouts never travel: they wait among the parked messages of the saga's group. */
const timeoutType = stream('acuse.sagas').message('acuse.saga.timeout', {
  schema: timeoutSchema,
  key: ({ saga, sagaId }) => `${saga}/${sagaId}`,
})

/**
 * The group that runs a saga: one handler for each message type, and one for its timeouts.
 * Loading, reacting and saving happen in the effect transaction; two that meet on one saga are told apart by its version,
 * and the later one is repeated.
 */
export function sagaGroup<Tx, State>(
  saga: Saga<State>,
  options: GroupOptions<Tx>,
  runtime: () => SagaRuntime<Tx>,
): GroupDeclaration<Tx> {
  const group = new GroupDeclaration<Tx>(`saga.${saga.name}`, options)
  const one = { mode: 'effect', most: 1, waitMs: 0 } as const
  for (const { type, id, starts, react } of saga.entries.values()) {
    const handle = async (message: Message, context: HandlerContext<Tx>): Promise<void> => {
      const sagaId = id(message)
      const { store } = runtime()
      const record = await store.sagas.load(context.tx, saga.name, sagaWithin(message.tenant, sagaId))
      if (record?.completed === true || (record === undefined && !starts)) return
      const state = record === undefined ? saga.initial(sagaId) : (record.state as State)
      const at = { saga, sagaId, record, state, cause: message, group }
      await advance(at, react(state, message), context, runtime())
    }
    group.register({ ...one, type, handle })
  }
  const handleTimeout = async (message: Message, context: HandlerContext<Tx>): Promise<void> => {
    if (!isTimeoutData(message.data)) return
    const { sagaId, timeout } = message.data
    const { store } = runtime()
    const record = await store.sagas.load(context.tx, saga.name, sagaWithin(message.tenant, sagaId))
    const react = saga.timeouts.get(timeout)
    // Late: the saga has ended, or has set or cancelled this timeout since.
    if (record === undefined || record.completed || record.timeouts[timeout] !== message.id) return
    if (react === undefined) {
      throw new AcuseError(
        'ACUSE_UNKNOWN_TYPE',
        `saga ${saga.name} has no reaction to timeout ${timeout}. Add it and replay.`,
      )
    }
    const { [timeout]: _fired, ...timeouts } = record.timeouts
    const state = record.state as State
    const at = { saga, sagaId, record: { ...record, timeouts }, state, cause: message, group }
    await advance(at, react(state, sagaId), context, runtime())
  }
  group.register({ ...one, type: timeoutType, handle: handleTimeout, local: true })
  return group
}

/** Where a saga stands when a message reaches it. */
interface Standing<State> {
  readonly saga: Saga<State>
  readonly sagaId: string
  readonly record: SagaRecord | undefined
  readonly state: State
  readonly cause: Message
  readonly group: Pick<GroupDeclaration<unknown>, 'name' | 'parkedBy'>
}

/** Writes what a step says: state, timeouts and messages, all within the handler's transaction. */
async function advance<Tx, State>(
  at: Standing<State>,
  step: SagaStep<State>,
  { tx, publish }: HandlerContext<Tx>,
  { store, outgoing }: SagaRuntime<Tx>,
): Promise<void> {
  const { saga, sagaId, record, group } = at
  const state = step.state ?? at.state
  encodeJson(state, `the state of saga ${saga.name} ${sagaId}`)
  const plan = planTimeouts(at, step, outgoing)
  const version = (record?.version ?? 0) + 1
  const completed = step.complete === true
  const storedId = sagaWithin(at.cause.tenant, sagaId)
  point('saga.beforeSave')
  if (!(await store.sagas.save(tx, saga.name, storedId, { state, version, completed, timeouts: plan.timeouts }))) {
    throw new AcuseError('ACUSE_SAGA_CONFLICT', `saga ${saga.name} ${sagaId} was changed by another message meanwhile.`)
  }
  point('saga.afterSave')
  for (const id of plan.cancel) await store.parked.remove(tx, group.name, id)
  for (const { message, dueInMs } of plan.set) {
    await store.parked.park(tx, group.name, { message, reason: 'timeout', ordered: false, attempts: 0, dueInMs })
  }
  if (plan.set.length > 0) group.parkedBy.set(at.cause, Math.min(...plan.set.map(({ dueInMs }) => dueInMs)))
  for (const one of step.publish ?? []) {
    if ('message' in one) publish(one.message, one.options)
    else publish(one)
  }
}

interface TimeoutPlan {
  /** By name, the id of the message that counts from now on. */
  readonly timeouts: Readonly<Record<string, string>>
  readonly cancel: readonly string[]
  readonly set: readonly { readonly message: WireMessage; readonly dueInMs: number }[]
}

function planTimeouts<State>(at: Standing<State>, step: SagaStep<State>, outgoing: OutgoingSettings): TimeoutPlan {
  const timeouts: Record<string, string> = { ...at.record?.timeouts }
  const asked: Readonly<Record<string, number | null>> =
    step.complete === true
      ? Object.fromEntries(Object.keys(timeouts).map((name) => [name, null]))
      : (step.timeouts ?? {})
  const cancel: string[] = []
  const set: { message: WireMessage; dueInMs: number }[] = []
  for (const [name, delayMs] of Object.entries(asked)) {
    const previous = timeouts[name]
    if (previous !== undefined) cancel.push(previous)
    delete timeouts[name]
    if (delayMs === null) continue
    checkTimeout(at.saga, name, delayMs)
    const message = timeoutMessage(at, name, outgoing)
    timeouts[name] = message.id
    set.push({ message, dueInMs: delayMs })
  }
  return { timeouts, cancel, set }
}

function checkTimeout<State>(saga: Saga<State>, name: string, delayMs: number): void {
  checkAtLeast(`saga ${saga.name}: timeout ${name}`, delayMs, 0)
  if (!saga.timeouts.has(name)) {
    throw new ConfigurationError(`saga ${saga.name} sets timeout ${name} but has no onTimeout for it.`)
  }
}

function timeoutMessage<State>(
  { saga, sagaId, cause }: Standing<State>,
  timeout: string,
  settings: OutgoingSettings,
): WireMessage {
  const now = settings.clock.now()
  const id = settings.newId(now)
  const { name: type, priority } = timeoutType
  const data: TimeoutData = { saga: saga.name, sagaId, timeout }
  const key = timeoutType.keyOf(data)
  const { headers, body } = settings.codec.encode({
    ...cause,
    id,
    type,
    version: 1,
    key,
    data,
    source: settings.service,
    time: new Date(now),
    priority,
    causationId: cause.id,
  })
  const placed = key === null ? null : keyWithin(cause.tenant, key)
  return { id, type, stream: timeoutType.stream.name, key: placed, priority, headers, body }
}
