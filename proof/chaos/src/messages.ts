import { type MessageType, type StandardSchema, stream } from '@acuse/core'

/**
 * What becomes of a message at its handlers: `ok` is applied at once, `flaky` fails twice first, `poison` fails always,
 * `refused` is dead-lettered by the handler's own decision.
 */
export type Fate = 'ok' | 'flaky' | 'poison' | 'refused'

/** What kind of message a row of the run's own tables is about. */
export type Kind = 'step' | 'call' | 'note' | 'tick' | 'huge' | 'flow' | 'closed' | 'timeout'

export interface Keyed {
  readonly key: string
  readonly sequence: number
  readonly fate: Fate
}

/**
 * Whether a value has these properties of these types. Written by hand: a process starts a third faster without a validator's modules,
 * and a run starts some two hundred.
 */
function shape<Data extends object>(types: Readonly<Record<keyof Data, 'string' | 'number'>>): StandardSchema<Data> {
  const expected = Object.entries(types)
  const fits = (value: unknown): value is Data =>
    typeof value === 'object' &&
    value !== null &&
    expected.every(([name, type]) => typeof Reflect.get(value, name) === type)
  return {
    '~standard': {
      version: 1,
      vendor: 'acuse-chaos',
      validate: (value) => (fits(value) ? { value } : { issues: [{ message: 'has not the expected shape' }] }),
    },
  }
}

const keyed = shape<Keyed>({ key: 'string', sequence: 'number', fate: 'string' })

/** Six partitions: two for each of three consumers. */
const steps = stream('chaos.steps', { partitions: 6 })
const calls = stream('chaos.calls', { partitions: 3 })
const notes = stream('chaos.notes', { partitions: 3 })
const flows = stream('chaos.flows', { partitions: 3 })

/** Most of the load: keyed, in a sequence of its key. It is applied in batches. */
export const Step: MessageType<Keyed> = steps.message('chaos.step', { schema: keyed, key: ({ key }) => key })

/** The same, and in the same sequences, but applied by a handler for one message: the order of a key holds across types. */
export const Leap: MessageType<Keyed> = steps.message('chaos.leap', { schema: keyed, key: ({ key }) => key })

/** Keyed too; one group applies it by a handler that calls the world. */
export const Call: MessageType<Keyed> = calls.message('chaos.call', { schema: keyed, key: ({ key }) => key })

/** Scheduled: not before its time. */
export const Note: MessageType<{ delayMs: number }> = notes.message('chaos.note', {
  schema: shape<{ delayMs: number }>({ delayMs: 'number' }),
})

/** Published by a cron entry. */
export const Tick: MessageType<{ dueAt: string }> = notes.message('chaos.tick', {
  schema: shape<{ dueAt: string }>({ dueAt: 'string' }),
})

/** Larger than the transport takes: only the relay can end it. */
export const Huge: MessageType<{ padding: string }> = notes.message('chaos.huge', {
  schema: shape<{ padding: string }>({ padding: 'string' }),
})

/** One event of a flow. They have no order, so that they meet at its saga. */
export const FlowEvent: MessageType<{ flow: string; events: number; amount: number }> = flows.message(
  'chaos.flow.event',
  {
    schema: shape<{ flow: string; events: number; amount: number }>({
      flow: 'string',
      events: 'number',
      amount: 'number',
    }),
  },
)

/** What the saga publishes once its flow is whole. */
export const FlowClosed: MessageType<{ flow: string; sum: number; events: number }> = flows.message(
  'chaos.flow.closed',
  {
    schema: shape<{ flow: string; sum: number; events: number }>({ flow: 'string', sum: 'number', events: 'number' }),
    key: ({ flow }) => flow,
  },
)

export const streams: readonly { readonly name: string; readonly partitions: number }[] = [steps, calls, notes, flows]
