import { createBus, drainOnSignals, type Message, type Saga, saga, type TransactionContext } from '@acuse/core'
import type { PoolClient } from 'pg'
import { FlowClosed, FlowEvent } from '../messages.ts'
import { busOptions } from './bus-options.ts'
import { groupOptions } from './consumer.ts'
import { openPool } from './database.ts'
import { writeEffect } from './effects.ts'
import { serveParent, startUntilUp, tellParent } from './parent.ts'
import type { WorkerConfig } from './worker-config.ts'
import type { WriteLine } from './worker-log.ts'

/** The group of the run's saga. */
export const sagaGroup = 'saga.flow'

interface FlowState {
  readonly events: number
  readonly expected: number
  readonly sum: number
}

/** Adds up the events of a flow, and closes it at a timeout once all of them are there. */
function flowSaga(timeoutMs: number): Saga<FlowState> {
  return saga<FlowState>('flow', () => ({ events: 0, expected: 0, sum: 0 }))
    .on(FlowEvent, { id: ({ data }) => data.flow, starts: true }, (state, { data }) => ({
      state: { events: state.events + 1, expected: data.events, sum: state.sum + data.amount },
      ...(state.events === 0 ? { timeouts: { close: timeoutMs } } : {}),
    }))
    .onTimeout('close', ({ events, expected, sum }, flow) =>
      events < expected
        ? { timeouts: { close: Math.ceil(timeoutMs / 4) } }
        : { complete: true, publish: [FlowClosed({ flow, sum, events })] },
    )
}

/** Runs the saga in a service of its own. What it applies is written down in its own transactions. */
export async function runSagaWorker(config: WorkerConfig, write: WriteLine): Promise<void> {
  const { plan, name } = config
  const pool = openPool(config, plan.settings.concurrency + 3, write)

  async function note(message: Message, { group, tx, attempt }: TransactionContext<PoolClient>): Promise<void> {
    const isEvent = message.type === FlowEvent.name
    const about = message.data as { readonly flow?: string; readonly sagaId?: string; readonly amount?: number }
    await writeEffect(tx, {
      group,
      message,
      kind: isEvent ? 'flow' : 'timeout',
      key: about.flow ?? about.sagaId ?? null,
      sequence: null,
      ...(about.amount === undefined ? {} : { amount: about.amount }),
      attempt,
      process: name,
      round: 0,
    })
  }

  const bus = await startUntilUp(() => {
    const made = createBus(busOptions(config, 'chaos-saga', pool))
    made.saga(flowSaga(plan.settings.sagaTimeoutMs), groupOptions(config, note))
    return made
  }, write)
  drainOnSignals(bus, { signals: ['SIGTERM'], deadlineMs: 10_000 })
  serveParent(() => bus, write, { onCure: () => undefined, onQuiet: () => undefined })
  tellParent({ answer: 'ready' })
}
